"""Open the directory: read-only, or for writing as the user that owns it."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from posthouse import paths
from posthouse.directory import hold, schema
from posthouse.errors import PosthouseError, UsageError

T = TypeVar("T")

BUSY_SECONDS = 10.0  # how long a writer waits for another one: fifty writes a second leave room for hundreds


class Refused(UsageError):
    """The directory does not take this value; the message is the constraint's own sentence."""


def open_readonly(path: Path | None = None) -> sqlite3.Connection:
    """Return a connection that cannot write.

    Raises:
        PosthouseError: there is no directory, it cannot be read, or its schema is another one.
    """
    return _opened(path or paths.DIRECTORY_DB, "ro")


def open_writer(path: Path | None = None) -> sqlite3.Connection:
    """Return a connection for reading and writing, to be used inside `transaction`.

    The caller must be the directory's owner, so that -wal and -shm are made as his: the agent calls this at
    its start, commands call `writing`.

    Raises:
        PosthouseError: there is no directory, it cannot be written, its schema is another one, or this
            process is another user (root included).
    """
    path = path or paths.DIRECTORY_DB
    owner = _owner(path)
    if owner.pw_uid != os.geteuid():
        raise PosthouseError(
            f"{path}: only {owner.pw_name} may write here", f"become {owner.pw_name}, or use the commands"
        )
    return _opened(path, "rw")


def reading(function: Callable[[sqlite3.Connection], T], path: Path | None = None) -> T:
    """Call `function` with a read-only connection.

    Raises:
        PosthouseError: as `open_readonly`, and whatever the function raises.
    """
    return _as_owner(function, path or paths.DIRECTORY_DB, "ro")


def writing(function: Callable[[sqlite3.Connection], T], path: Path | None = None) -> T:
    """Call `function` with a writing connection in one transaction, as the directory's owner.

    Its result must be picklable, since for root this happens in a child process. Works with the agent down.

    Raises:
        Refused: the directory does not take a value.
        PosthouseError: as `open_writer`, and whatever the function raises; nothing was changed then.
    """

    def in_transaction(connection: sqlite3.Connection) -> T:
        with transaction(connection):
            return function(connection)

    return _as_owner(in_transaction, path or paths.DIRECTORY_DB, "rw")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do everything inside or nothing; inside another transaction, be part of it.

    Raises:
        Refused, PosthouseError: what SQLite refuses, in the operator's words.
    """
    with translated():
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Refused(str(error).removeprefix("CHECK constraint failed: ")) from error
    except sqlite3.Error as error:
        raise PosthouseError(f"the directory: {error}", _hint(str(error))) from error


def _hint(message: str) -> str | None:
    if "locked" in message or "busy" in message:
        return f"another program has been writing for {BUSY_SECONDS:.0f} s; `fuser -v` shows which"
    if "full" in message:
        return f"make room on the file system of {paths.DIRECTORY}"
    if "malformed" in message or "not a database" in message:
        return "the file is damaged: restore it from a backup, or from a before-*.sql beside it"
    if "unable to open" in message:
        return "the agent keeps its -wal and -shm files: start posthouse-agent"
    return None


def _as_owner(function: Callable[[sqlite3.Connection], T], path: Path, mode: str) -> T:
    owner = _owner(path)
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
    with closing(_opened(path, mode)) as connection, hold.held(path), translated():
        try:
            return function(connection)
        finally:
            connection.close()  # while held: being the last, it would take -wal and -shm away


def _owner(path: Path) -> pwd.struct_passwd:
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


def _opened(path: Path, mode: str) -> sqlite3.Connection:
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
