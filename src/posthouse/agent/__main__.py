"""Run the agent, as user posthouse: `python -m posthouse.agent --hostname HOST --domain MAIN_DOMAIN
--postmaster ADDRESS --report-to LOCAL_PART`, all as in the site file.

Ready (sd_notify, and its socket there) when the directory is open for writing and the milter listens. Ends on
SIGTERM and SIGINT, milter first, directory last. When another release was installed it becomes that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from posthouse import paths
from posthouse.agent.keeper import LOOK_SECONDS, Keeper
from posthouse.agent.keys import Keys
from posthouse.agent.milter import Milter, Service
from posthouse.agent.notify import notify
from posthouse.agent.senders import Directory
from posthouse.directory import sqlite
from posthouse.directory.queries import Names
from posthouse.errors import PosthouseError, UsageError

ROOT = Path(__file__).resolve().parents[3]  # the release, or checkout, that this process began with
SETTINGS = ("--hostname", "--domain", "--postmaster", "--report-to")


async def run(hostname: str, main_domain: str, postmaster: str, report_to: str) -> bool:
    """Keep the directory and answer Postfix until a signal comes, or another release (True).

    Raises OSError, PosthouseError.
    """
    keys = Keys(paths.DKIM)
    keeper = Keeper(paths.DIRECTORY_DB, lambda: sqlite.open_writer(paths.DIRECTORY_DB), keys.ensure)
    keeper.open()
    names = Names(postmaster, report_to, ())
    service = Service(Directory(keeper.connection, hostname, main_domain, names), keys.ensure)
    milter = Milter(service, paths.AGENT_MILTER)
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    try:
        await milter.start()
        looking, watching = asyncio.create_task(keeper.run()), asyncio.create_task(replaced(end))
        notify("READY=1")
        await end.wait()
        again = watching.done()
        if not again:
            notify("STOPPING=1")
        looking.cancel()
        watching.cancel()
        await asyncio.gather(looking, watching, return_exceptions=True)
        await milter.stop()
        return again
    finally:
        keeper.close()


async def replaced(end: asyncio.Event) -> None:
    """Set `end` once another release is the installed one."""
    installed = paths.PROGRAM / "current"
    if ROOT.parent != paths.PROGRAM / "releases":
        return  # a checkout
    while not installed.exists() or installed.resolve() == ROOT:
        await asyncio.sleep(LOOK_SECONDS)
    logging.info("another release was installed: going on with that")
    end.set()


def settings(arguments: list[str]) -> dict[str, str]:
    """Return the settings by name, in lower case. UsageError where one is missing or unknown.

    By hand: argparse alone would be a tenth of the agent's memory.
    """
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if len(arguments) % 2 or set(given) != set(SETTINGS):
        raise UsageError(f"expected {' '.join(f'{name} VALUE' for name in SETTINGS)}, found {arguments}")
    return {name: value.lower() for name, value in given.items()}


def main() -> int:
    """Read the arguments and run. The exit status is not 0 where the agent cannot start."""
    os.umask(0o027)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        said = settings(sys.argv[1:])
        if asyncio.run(run(*(said[name] for name in SETTINGS))):
            agent = str(paths.PROGRAM / "bin/posthouse-agent")
            os.execv(agent, [agent, *sys.argv[1:]])  # noqa: S606 - our own program
    except (OSError, PosthouseError) as error:
        print(f"posthouse-agent cannot start: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, PosthouseError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
