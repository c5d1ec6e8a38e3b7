"""The databases' errors in the operator's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from posthouse import paths
from posthouse.errors import PosthouseError, UsageError

BUSY_SECONDS = 10.0  # how long a writer waits for another one: fifty writes a second leave room for hundreds


class Refused(UsageError):
    """The directory does not take this value; the message is the constraint's own sentence."""


class Unreachable(PosthouseError):
    """The database cannot be asked now; asking again later may do."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours; PostgreSQL's come as ours from its `Connection`."""
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
