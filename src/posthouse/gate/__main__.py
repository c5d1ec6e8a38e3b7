"""Run the gate: `posthouse-gate --hostname HOST --policy POLICY --scan BYTES --refuse SCORE|never`.

Its sockets stand in Postfix's chroot (paths.GATE_ENTRANCE, GATE_VERDICT, GATE_OUTGOING). Ready when all are there
(sd_notify).
Ends on SIGTERM and SIGINT. When another release was installed it becomes that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Collection

from posthouse import paths
from posthouse.agent.notify import notify
from posthouse.agent.release import replaced
from posthouse.agent.server import Server
from posthouse.errors import UsageError
from posthouse.gate import entrance, outgoing, verdict

SETTINGS = ("--hostname", "--policy", "--scan", "--refuse")


def ours() -> Collection[str]:
    """The domains of ours: each has a line in the table of DKIM keys. OSError where that cannot be read."""
    lines = (paths.DKIM / "selectors.map").read_text(encoding="utf-8").splitlines()
    return {line.split()[0].lower() for line in lines if line.strip() and not line.startswith("#")}


def settings(arguments: list[str]) -> verdict.Settings:
    """Read the arguments. UsageError where one is missing, unknown or no number."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    try:
        if len(arguments) % 2 or set(given) != set(SETTINGS):
            raise ValueError
        refuse = None if given["--refuse"] == "never" else float(given["--refuse"])
        return verdict.Settings(
            given["--hostname"], given["--policy"], int(given["--scan"]), refuse, paths.SPAMD, ours
        )
    except ValueError:
        expected = " ".join(f"{name} VALUE" for name in SETTINGS)
        raise UsageError(f"expected {expected}, found {arguments}") from None


async def run(said: verdict.Settings) -> bool:
    """Answer Postfix until a signal comes, or another release (True). Raises OSError."""
    servers = (
        Server(lambda: entrance.Session(said.hostname), paths.GATE_ENTRANCE),
        Server(lambda: verdict.Session(said), paths.GATE_VERDICT),
        Server(lambda: outgoing.Session(said), paths.GATE_OUTGOING),
    )
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    for server in servers:
        await server.start()
    watching = asyncio.create_task(replaced(end))
    notify("READY=1")
    await end.wait()
    again = watching.done() and watching.result()
    if not again:
        notify("STOPPING=1")
        watching.cancel()
    for server in servers:
        await server.stop()
    return again


def main() -> int:
    """Read the arguments and run. The exit status is not 0 where the gate cannot start."""
    os.umask(0o027)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        if asyncio.run(run(settings(sys.argv[1:]))):
            gate = str(paths.PROGRAM / "bin/posthouse-gate")
            os.execv(gate, [gate, *sys.argv[1:]])  # noqa: S606 - our own program
    except (OSError, UsageError) as error:
        print(f"posthouse-gate cannot start: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
