"""Waiting for apt and dpkg to be free, saying once who has them.

apt itself waits for two of its four locks at most, and says nothing (apt.conf(5), DPkg::Lock::Timeout).
The locks are record locks (fcntl(2)), so that the holder's process id can be asked for.
"""

from __future__ import annotations

import fcntl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from posthouse.errors import PosthouseError

LOCKS = (
    Path("/var/lib/dpkg/lock-frontend"),
    Path("/var/lib/dpkg/lock"),
    Path("/var/lib/apt/lists/lock"),
    Path("/var/cache/apt/archives/lock"),
)
_FLOCK = "hhqqi4x"  # struct flock of the 64-bit Linux ABIs: type, whence, start, length, pid
_POLL_SECONDS = 0.5


class AptBusy(PosthouseError):
    """Another program works on packages, and did not end."""


def holder(lock: Path) -> int | None:
    """Return the process that holds a record lock on a file; None where it is free, 0 where unknown."""
    try:
        with lock.open("rb+") as stream:
            wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(stream, fcntl.F_GETLK, wanted))
    except FileNotFoundError:
        return None
    return None if kind == fcntl.F_UNLCK else max(0, int(pid))


def wait_until_free(note: Callable[[str], None], seconds: float, locks: tuple[Path, ...] = LOCKS) -> None:
    """Wait until nobody works on packages.

    Raises:
        AptBusy: somebody still does after `seconds`.
    """
    deadline = time.monotonic() + seconds
    told: set[int] = set()
    while True:
        held = [(lock, pid) for lock in locks if (pid := holder(lock)) is not None]
        if not held:
            return
        lock, pid = held[0]
        if time.monotonic() >= deadline:
            raise AptBusy(
                f"expected apt to be free; {_name(pid)} still holds {lock} after {seconds:.0f} seconds",
                "wait until it is done or end it, then say the command again: it goes on where it stopped",
            )
        if pid not in told:
            told.add(pid)
            note(f"waiting for {_name(pid)}, which is working on this machine's packages ({lock})")
        time.sleep(_POLL_SECONDS)


def _name(pid: int) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        command = " ".join(words.split())
        if command:
            return f"`{command[:60]}` (process {pid})"
    return f"process {pid}" if pid else "another program"
