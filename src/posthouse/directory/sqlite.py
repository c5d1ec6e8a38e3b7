"""The directory in SQLite: a file, opened read-only, or for writing as the user that owns it."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from posthouse import paths
from posthouse.directory import hold, schema
from posthouse.directory.refusals import BUSY_SECONDS, translated
from posthouse.errors import PosthouseError, UsageError

T = TypeVar("T")


def open_writer(path: Path) -> sqlite3.Connection:
    """Return a connection for reading and writing.

    Raises:
        PosthouseError: there is no directory, it cannot be written, its schema is another one, or this
            process is another user (root included).
    """
    owner = owner_of(path)
    if owner.pw_uid != os.geteuid():
        raise PosthouseError(
            f"{path}: only {owner.pw_name} may write here", f"become {owner.pw_name}, or use the commands"
        )
    return opened(path, "rw")


def asking(function: Callable[[sqlite3.Connection], T], path: Path, mode: str) -> T:
    """Call `function` with a connection, `mode` "ro" or "rw"; to write, as the file's owner.

    Raises:
        PosthouseError: as `open_writer`, and whatever the function raises.
    """
    owner = owner_of(path)
    # Root reads as root: what SQLite makes beside the file then gets its owner and mode (os_unix.c).
    if mode == "ro" or os.geteuid() != 0 or owner.pw_uid == 0:
        if mode == "rw" and owner.pw_uid != os.geteuid():
            raise UsageError(
                f"only root or {owner.pw_name} may change the directory", "say it again with sudo"
            )
        return _call(function, path, mode)

    from posthouse.host.accounts import drop_to

    return drop_to(owner.pw_name, lambda: _call(function, path, mode))


def _call(function: Callable[[sqlite3.Connection], T], path: Path, mode: str) -> T:
    with closing(opened(path, mode)) as connection, hold.held(path), translated():
        try:
            return function(connection)
        finally:
            connection.close()  # while held: being the last, it would take -wal and -shm away


def owner_of(path: Path) -> pwd.struct_passwd:
    """Return the user that owns the directory's folder. PosthouseError where that cannot be told."""
    try:
        return pwd.getpwuid(path.parent.stat().st_uid)
    except FileNotFoundError:
        raise _missing(path) from None
    except PermissionError:
        raise UsageError(f"{path}: this user may not read the directory", "say it again with sudo") from None
    except KeyError:
        raise PosthouseError(
            f"{path.parent} belongs to a user number without a name",
            f"chown {paths.AGENT_USER}:{paths.DIRECTORY_GROUP} {path.parent}",
        ) from None


def opened(path: Path, mode: str) -> sqlite3.Connection:
    """Return a connection to the file as this process, `mode` "ro" or "rw". PosthouseError."""
    try:
        exists = path.exists()
    except PermissionError:
        raise UsageError(f"{path}: this user may not read the directory", "say it again with sudo") from None
    if not exists:
        raise _missing(path)
    if not os.access(path, os.R_OK | (os.W_OK if mode == "rw" else 0)):
        raise UsageError(f"{path}: this user may not open the directory", "say it again with sudo")
    with translated():
        connection = sqlite3.connect(
            f"file:{path}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        try:
            schema.check(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _missing(path: Path) -> PosthouseError:
    return PosthouseError(f"{path}: there is no directory yet", "`posthouse up` makes it")
