"""Which processes have files below some folders open (proc_pid_fd(5), proc_pid_maps(5))."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from posthouse.errors import PosthouseError

_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A process that has something open. `name` is its program's, as the kernel knows it."""

    pid: int
    name: str


def holders(folders: Collection[Path], wary_of: Collection[str]) -> list[Holder]:
    """Return the processes that have a file below one of the folders open, mapped, or as working directory.

    Args:
        folders: by the names that they have now; a file that was opened under an earlier name counts.
        wary_of: program names that must not be overlooked.

    Raises:
        PosthouseError: the kernel does not show us the open files of such a program (a container without
            CAP_SYS_PTRACE).
    """
    beginnings = tuple(f"{folder}/" for folder in folders)
    found = []
    for entry in _PROC.glob("[0-9]*"):
        try:
            name = (entry / "comm").read_text().strip()
        except OSError:
            continue  # it has ended
        try:
            if any(f"{path}/".startswith(beginnings) for path in _opened(entry)):
                found.append(Holder(int(entry.name), name))
        except PermissionError:
            if name in wary_of:
                raise PosthouseError(
                    f"the kernel does not show which files process {entry.name} ({name}) has open",
                    "give this container CAP_SYS_PTRACE (docker: --cap-add SYS_PTRACE)",
                ) from None
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return found


def _opened(entry: Path) -> Iterator[str]:
    yield str((entry / "cwd").readlink())
    for number in os.listdir(entry / "fd"):
        try:
            yield str((entry / "fd" / number).readlink())
        except FileNotFoundError:
            continue  # closed meanwhile
    for line in (entry / "maps").read_text(errors="surrogateescape").splitlines():
        columns = line.split(maxsplit=5)
        if len(columns) == 6:
            yield columns[5]
