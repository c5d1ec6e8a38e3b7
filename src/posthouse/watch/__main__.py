"""Run the watch, as root: `python -m posthouse.watch --manager systemd|supervisor --failures N --first SECONDS
--longest SECONDS --never NETWORK,...|none [--fail2ban yes]`, all as in the site file.

Ready when what was banned before is banned again. Ends on SIGTERM and SIGINT, and takes its table away then. When
another release was installed it becomes that.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from ipaddress import ip_network
from types import FrameType

from posthouse import paths
from posthouse.agent.notify import notify
from posthouse.errors import PosthouseError, UsageError
from posthouse.host import installed
from posthouse.watch import follow, store
from posthouse.watch.score import WINDOW
from posthouse.watch.watcher import Settings, Watcher

SETTINGS = ("--manager", "--failures", "--first", "--longest", "--never")
MORE = "--fail2ban"  # need not be said
READ_SECONDS = 0.5

_ended = False


def run(said: dict[str, str]) -> bool:
    """Watch until a signal comes, or another release (True). PosthouseError where the store cannot be had."""
    nets = () if said["--never"] == "none" else tuple(map(ip_network, said["--never"].split(",")))
    settings = Settings(
        int(said["--failures"]),
        float(said["--first"]),
        float(said["--longest"]),
        nets,
        said.get(MORE) == "yes",
    )
    source: follow.Source = follow.Journal(WINDOW) if said["--manager"] == "systemd" else follow.Files(WINDOW)
    with store.opened() as kept:
        watcher = Watcher(settings, kept)
        watcher.tick()
        notify("READY=1")
        try:
            while not _ended:
                for line in source.read(READ_SECONDS):
                    watcher.take(line)
                watcher.tick()
                if installed.replaced():
                    return True
        finally:
            source.close()
        notify("STOPPING=1")
        watcher.end()
    return False


def settings(arguments: list[str]) -> dict[str, str]:
    """Return the settings by name. UsageError where one is missing or unknown."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if len(arguments) % 2 or set(given) - {MORE} != set(SETTINGS):
        raise UsageError(f"expected {' '.join(f'{name} VALUE' for name in SETTINGS)}, found {arguments}")
    return given


def _end(_: int, __: FrameType | None) -> None:
    global _ended
    _ended = True


def main() -> int:
    """Read the arguments and run. The exit status is not 0 where the watch cannot start."""
    os.umask(0o077)
    # The journal knows when and who; in supervisor's file fail2ban wants to read it.
    head = "" if "systemd" in sys.argv else "%(asctime)s posthouse-watch: "
    logging.basicConfig(level=logging.INFO, format=f"{head}%(levelname)s: %(message)s", stream=sys.stderr)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        if run(settings(sys.argv[1:])):
            watch = str(paths.PROGRAM / "bin/posthouse-watch")
            os.execv(watch, [watch, *sys.argv[1:]])  # noqa: S606 - our own program
    except (OSError, ValueError, PosthouseError) as error:
        print(f"posthouse-watch cannot start: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, PosthouseError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
