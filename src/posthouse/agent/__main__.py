"""Run the agent, as user posthouse: `python -m posthouse.agent --hostname HOST --domain MAIN_DOMAIN
--postmaster ADDRESS --report-to LOCAL_PART`, all as in the site file.

Ready (sd_notify, and its socket there) when the directory is open for writing and the milter listens. Ends on
SIGTERM and SIGINT: milter first, directory last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from posthouse import directory, paths
from posthouse.agent.keeper import Keeper
from posthouse.agent.keys import Keys
from posthouse.agent.milter import Milter, Service
from posthouse.agent.notify import notify
from posthouse.agent.senders import Directory
from posthouse.directory.queries import Names
from posthouse.errors import PosthouseError, UsageError

SETTINGS = ("--hostname", "--domain", "--postmaster", "--report-to")


async def run(hostname: str, main_domain: str, postmaster: str, report_to: str) -> None:
    """Keep the directory and answer Postfix until a signal comes. Raises OSError, PosthouseError."""
    keys = Keys(paths.DKIM)
    keeper = Keeper(paths.DIRECTORY_DB, directory.open_writer, keys.ensure)
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
        looking = asyncio.create_task(keeper.run())
        notify("READY=1")
        await end.wait()
        notify("STOPPING=1")
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await milter.stop()
    finally:
        keeper.close()


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
        asyncio.run(run(*(said[name] for name in SETTINGS)))
    except (OSError, PosthouseError) as error:
        print(f"posthouse-agent cannot start: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, PosthouseError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
