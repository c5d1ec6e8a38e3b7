"""The processes of supervised programs, found and ended even when their supervisord is gone.

Each program starts by writing `PID STARTED INIT` to its own file in /run/posthouse/children (see
`stack.supervisor`) and leads a process group of its own. STARTED is its start time and INIT that of
PID 1 (proc_pid_stat(5), field 22): they tell it from a process that got its number later, and from one
of another life of the container.

Its family is that group and every descendant of it: Postfix's master, for one, leaves the group.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from posthouse import paths

FOLDER = paths.RUN / "children"
_GRACE_SECONDS = 20.0
_PARTING_SECONDS = 1.0
_POLL_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """A living process, as proc_pid_stat(5) has it. `started` in clock ticks since the boot."""

    pid: int
    parent: int
    group: int
    started: int


Family = tuple[Process, ...]


def names() -> list[str]:
    """Return the programs that have left a mark."""
    return sorted(mark.name for mark in FOLDER.iterdir()) if FOLDER.is_dir() else []


def family(name: str) -> Family:
    """Return every living process of a program: its group, and all descendants of that."""
    try:
        pid, started, init = (int(word) for word in (FOLDER / name).read_text().split())
    except (OSError, ValueError):
        return ()
    first, leader = _process(1), _process(pid)
    if first is None or first.started != init:
        return ()  # another life of the container
    if leader is not None and leader.started != started:
        return ()  # the number is somebody else's by now: nobody of the group kept it taken
    everybody = _everybody()
    found = {process.pid: process for process in everybody if process.group == pid}
    return _with_descendants(found, everybody)


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it, also after exec.

    PR_SET_CHILD_SUBREAPER of prctl(2).
    Set for supervisord: what a program leaves behind when it is killed can be found again.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def strays(parent: int, known: Collection[int]) -> Family:
    """Return the children of a process other than those `known`, and all their descendants."""
    if not parent:
        return ()
    everybody = _everybody()
    found = {
        process.pid: process for process in everybody if process.parent == parent and process.pid not in known
    }
    return _with_descendants(found, everybody)


def end(name: str, *also: Process) -> None:
    """End a program's family, and `also` what an earlier death left behind; take its mark away.

    First its leader alone is asked by SIGTERM and given time to end the others as it sees fit (Rspamd's
    takes long where its workers get the signal too); then whatever is left is asked, and after that killed.
    """
    own = family(name)
    pids = {process.pid for process in own}
    leaders = [process for process in own if process.parent not in pids]
    _signal(leaders, signal.SIGTERM)
    _await_end(leaders, _GRACE_SECONDS)
    _await_end(own, _PARTING_SECONDS)
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [process for process in (*own, *also) if alive(process)]
        _signal(left, number)
        _await_end(left, _GRACE_SECONDS)
    (FOLDER / name).unlink(missing_ok=True)


def end_all() -> None:
    """End every program that left its mark."""
    for name in names():
        end(name)


def end_process(pid: int) -> None:
    """End one process by its number: SIGTERM, and after a while SIGKILL."""
    process = _process(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process is not None and alive(process):
            _signal([process], number)
            _await_end([process], _GRACE_SECONDS)


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait for a process to end; answer whether it did."""
    process = _process(pid)
    return process is None or _await_end([process], seconds)


def alive(process: Process) -> bool:
    """Tell whether that very process still lives (a dead one not yet waited for does not)."""
    now = _process(process.pid)
    return now is not None and now.started == process.started


def _with_descendants(found: dict[int, Process], everybody: list[Process]) -> Family:
    while fresh := [p for p in everybody if p.parent in found and p.pid not in found]:
        found |= {process.pid: process for process in fresh}
    return tuple(found.values())


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _await_end(processes: Iterable[Process], seconds: float) -> bool:
    waited_for = list(processes)
    deadline = time.monotonic() + seconds
    while any(alive(process) for process in waited_for):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _everybody() -> list[Process]:
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [process for pid in pids if (process := _process(pid)) is not None]


def _process(pid: int) -> Process | None:
    """Return a process; None where it is gone, or dead and only not yet waited for."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        state, parent, group, *rest = text.rpartition(")")[2].split()  # the name may hold anything
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, int(parent), int(group), int(rest[16]))
