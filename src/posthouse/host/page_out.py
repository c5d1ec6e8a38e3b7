"""Let go of pages that a process read once: `python -m posthouse.host.page_out COMMAND SUFFIX`.

COMMAND: what its command line begins with; SUFFIX: how the name of the mapped file ends. The pages are of files, so
that the kernel reads them again where they are needed (process_madvise(2), MADV_PAGEOUT).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NUMBER = 440  # of process_madvise, the same on every architecture
MADV_PAGEOUT = 21


class _Range(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def page_out(pid: int, suffix: str) -> int:
    """Let go of the pages of the files that `pid` maps; return how many bytes the kernel went through.

    OSError where there is no such process or we may not. Only pages that nobody else maps go.
    """
    handle = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        done = 0
        for base, length, path in mapped(pid, suffix):
            _write_out(path)
            pages = ctypes.byref(_Range(base, length))
            found = libc.syscall(NUMBER, handle, pages, ctypes.c_ulong(1), MADV_PAGEOUT, 0)
            if found < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            done += found
        return done
    finally:
        os.close(handle)


def mapped(pid: int, suffix: str) -> Iterator[tuple[int, int, Path]]:
    """Yield address, length and file of what `pid` maps of files of such names (proc_pid_maps(5))."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith(suffix):
            span, *_, path = line.split(maxsplit=5)
            begin, end = (int(part, 16) for part in span.split("-"))
            yield begin, end - begin, Path(path)


def _write_out(path: Path) -> None:
    """Put the file on the disk: what was written a moment ago cannot go."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main() -> None:
    """Look for the processes, and do it."""
    command, suffix = sys.argv[1:]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(command.encode()):
                page_out(int(folder.name), suffix)


if __name__ == "__main__":
    main()
