"""Files and folders of somebody else's, read by root: nothing but plain files, and no links out of the tree."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from posthouse.errors import UsageError


@contextmanager
def open_file(path: str) -> Iterator[IO[bytes]]:
    """Open a plain file, not one that a link leads to. UsageError where it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Name a plain file; links are not followed.") from error
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UsageError(f"{path}: this is no plain file", "Only plain files are read.")
        yield stream


def entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name, without links. UsageError where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not entry.is_symlink()), key=lambda one: one.name)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", "Name a folder that root can read.") from error
