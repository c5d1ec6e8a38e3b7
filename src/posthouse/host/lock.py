"""One at a time: an exclusive lock on a file, held until its holder ends (flock(2))."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from posthouse.errors import PosthouseError

_POLL_SECONDS = 0.1


class Busy(PosthouseError):
    """Somebody else holds the lock, and went on holding it for as long as we were willing to wait."""


@contextmanager
def exclusive(path: Path, wait: float = 0.0, note: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock `path` (made where missing, never removed) for the length of a `with` block.

    Args:
        path: the lock file; its text names the last holder.
        wait: seconds to wait for another holder.
        note: told once, when there is somebody to wait for.

    Raises:
        Busy: another process still holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(handle, path, wait, note)
        os.ftruncate(handle, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        os.pwrite(handle, f"{os.getpid()} {since}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path, wait: float, note: Callable[[str], None] | None) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            text = os.pread(handle, 64, 0).decode(errors="replace").strip()
            holder, _, since = text.partition(" ")
        if time.monotonic() >= deadline:
            raise Busy(
                f"another posthouse is at work on this machine (process {holder} holds {path} since {since})",
                "wait until it is done, then say the command again",
            )
        if note is not None:
            note(f"waiting for another posthouse to finish (process {holder}, since {since})")
            note = None
        time.sleep(_POLL_SECONDS)
