"""Keep SQLite's -wal and -shm files while nobody has the database open.

The last connection that closes removes both files, unless it cannot lock the database exclusively
(sqlite3WalClose in SQLite's wal.c); readers that may not write the folder cannot make them again, and fail
until a writer comes. This shared lock on the bytes that SQLite locks (os_unix.c, "shared-lock range") is what
an open reader would hold; it keeps out nobody who reads or writes. Being of the open-file-description kind
(fcntl(2)), it lives as long as any copy of its file descriptor: a service manager that keeps one over a
restart (sd_notify(3), FDSTORE=1) holds it while the agent is down.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError

SHARED_FIRST = 0x40000000 + 2  # PENDING_BYTE + 2
SHARED_SIZE = 510


def hold(path: Path | None = None) -> int:
    """Return a file descriptor that holds the lock; -wal and -shm stay while any copy of it is open.

    A process that also has SQLite open must not close it: closing any descriptor of a file drops all the
    process's own record locks on it, SQLite's included (fcntl(2)).

    Raises:
        PosthouseError: the database cannot be read, or somebody has locked it exclusively.
    """
    path = path or paths.DIRECTORY_DB
    flock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, SHARED_FIRST, SHARED_SIZE, 0)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.fcntl(handle, fcntl.F_OFD_SETLK, flock)
        except OSError:
            os.close(handle)
            raise
    except OSError as error:
        raise PosthouseError(f"{path}: cannot be held open: {error.strerror}") from error
    return handle


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the database inside the block. For a process with no connection that outlives it."""
    handle = hold(path)
    try:
        yield
    finally:
        os.close(handle)
