"""The processes of supervised programs, found and ended even when their supervisord is gone.

Each program starts by writing `PID STARTED INIT` to its own file in /run/posthouse/children (see
`stack.supervisor`) and leads a process group of its own. STARTED is its start time and INIT that of
PID 1 (proc_pid_stat(5), field 22): they tell it from a process that got its number later, and from one
of another life of the container.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from posthouse import paths

FOLDER = paths.RUN / "children"
_GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05


def end_all() -> None:
    """End every program that left its mark."""
    for mark in sorted(FOLDER.iterdir()) if FOLDER.is_dir() else ():
        end(mark.name)


def end(name: str, unless_child_of: int = 0) -> None:
    """End what is left of a program's process group: SIGTERM, and after a while SIGKILL.

    `unless_child_of`: leave it alone where this process is its parent (it is looked after).
    """
    mark = FOLDER / name
    try:
        pid, started, init = (int(word) for word in mark.read_text().split())
    except (OSError, ValueError):
        return
    stat, first = _stat(pid), _stat(1)
    if stat is not None and unless_child_of and stat.parent == unless_child_of:
        return
    # Where the number is somebody else's by now, nobody of the group was left to keep it taken.
    if first is not None and first.started == init and (stat is None or stat.started == started):
        _end_group(pid)
    mark.unlink(missing_ok=True)


def end_process(pid: int) -> None:
    """End one process: SIGTERM, and after a while SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_gone(pid, _GRACE_SECONDS):
            return


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait for a process to end; answer whether it did."""
    deadline = time.monotonic() + seconds
    while _stat(pid) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _end_group(group: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_SECONDS
        if not _members(group):
            return
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        while _members(group) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


class _Stat:
    """What proc_pid_stat(5) says of a living process."""

    def __init__(self, text: str) -> None:
        fields = text.rpartition(")")[2].split()  # the name before it may hold anything
        self.state, self.parent, self.group, self.started = (
            fields[0],
            int(fields[1]),
            int(fields[2]),
            int(fields[19]),
        )


def _stat(pid: int) -> _Stat | None:
    """Return a process's stat; None where it is gone, or dead and only not yet waited for."""
    try:
        stat = _Stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (OSError, IndexError, ValueError):
        return None
    return None if stat.state in "ZX" else stat


def _members(group: int) -> list[int]:
    found = ((int(entry), _stat(int(entry))) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid, stat in found if stat is not None and stat.group == group]
