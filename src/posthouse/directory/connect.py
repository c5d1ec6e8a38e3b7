"""Ask and change the directory, whichever database it is, as the user that may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from posthouse.directory import backend, sqlite
from posthouse.directory.backend import Connection, Place
from posthouse.directory.refusals import Refused, Unreachable, translated

__all__ = [
    "Refused", "Unreachable", "open_readonly", "open_writer", "reading", "transaction", "translated", "writing",
]  # fmt: skip

T = TypeVar("T")


def open_readonly(place: Place | None = None) -> Connection:
    """Return a connection that cannot write.

    Raises:
        PosthouseError: there is no directory, it cannot be read, or its schema is another one.
    """
    place = place or backend.current()
    if isinstance(place, Path):
        return sqlite.opened(place, "ro")
    from posthouse.directory import postgresql

    return postgresql.opened(place, readonly=True)


def open_writer(place: Place | None = None) -> Connection:
    """Return a connection for reading and writing, to be used inside `transaction`.

    The caller must be the directory's owner: of SQLite, so that -wal and -shm are made as his; of PostgreSQL,
    since it knows him by that. The agent calls this at its start, commands call `writing`.

    Raises:
        PosthouseError: there is no directory, it cannot be written, its schema is another one, or this
            process is another user (root included).
    """
    place = place or backend.current()
    if isinstance(place, Path):
        return sqlite.open_writer(place)
    from posthouse.directory import postgresql

    return postgresql.opened(place)


def reading(function: Callable[[Connection], T], place: Place | None = None) -> T:
    """Call `function` with a read-only connection.

    Its result must be picklable, since for root this may happen in a child process.

    Raises:
        PosthouseError: as `open_readonly`, and whatever the function raises.
    """
    place = place or backend.current()
    if isinstance(place, Path):
        return sqlite.asking(function, place, "ro")
    from posthouse.directory import postgresql

    return postgresql.asking(function, place, readonly=True)


def writing(function: Callable[[Connection], T], place: Place | None = None) -> T:
    """Call `function` with a writing connection in one transaction, as the directory's owner.

    Its result must be picklable, since for root this happens in a child process. Works with the agent down.
    A statement that was refused ends the transaction: nothing more can be done in it.

    Raises:
        Refused: the directory does not take a value.
        PosthouseError: as `open_writer`, and whatever the function raises; nothing was changed then.
    """

    def in_transaction(connection: Connection) -> T:
        with transaction(connection):
            return function(connection)

    place = place or backend.current()
    if isinstance(place, Path):
        return sqlite.asking(in_transaction, place, "rw")
    from posthouse.directory import postgresql

    return postgresql.asking(in_transaction, place)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Do everything inside or nothing; inside another transaction, be part of it.

    Writers come one after the other, so that what one has looked at holds until its end.

    Raises:
        Refused, PosthouseError: what the database refuses, in the operator's words.
    """
    with translated():
        if connection.in_transaction:
            yield
            return
        # PostgreSQL's own writers by plain SQL are kept in order by its constraints.
        begin = getattr(connection, "begin", None)
        if begin is None:
            connection.execute("BEGIN IMMEDIATE")
        else:
            begin()
        try:
            yield
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")
