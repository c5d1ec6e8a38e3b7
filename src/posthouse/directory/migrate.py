"""Bring the directory to the program's schema in one transaction; make it where there is none."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from posthouse import paths
from posthouse.directory import backend, hold, schema
from posthouse.directory.backend import Connection, Place, Server
from posthouse.directory.connect import transaction
from posthouse.directory.refusals import translated
from posthouse.errors import PosthouseError

# How long one that comes second waits for the first to end, on a disk that may be slow.
WAIT_SECONDS = 60.0

_TABLE_POSTGRESQL = """CREATE TABLE IF NOT EXISTS posthouse_schema (
    version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"""


def migrate(place: Place | None = None, folder: Path | None = None) -> bool:
    """Apply what is missing; True where anything was. Said by root, it is done as the directory's owner.

    An existing database is dumped to `before-NNNN.sql` beside the SQLite one first (0600: it holds password
    hashes). SQLite's file is never replaced, so that the agent, Postfix and Dovecot may have it open. In
    PostgreSQL the database must be there (`roles.create`), and each role gets its rights anew.

    Raises:
        schema.WrongSchema: a newer program made it; nothing was changed.
        PosthouseError: it cannot be written.
    """
    place = place or backend.current()
    if isinstance(place, Server):
        if place.unix_user and os.geteuid() == 0:
            _make_folder()
        return _postgresql(place, folder or schema.POSTGRESQL)
    folder = folder or schema.FOLDER
    path = place
    if path.parent == paths.DIRECTORY and os.geteuid() == 0:
        from posthouse.host.accounts import drop_to

        _make_folder()
        return drop_to(paths.AGENT_USER, lambda: _sqlite(path, folder))
    return _sqlite(path, folder)


def _make_folder() -> None:
    from posthouse.host.files import make_directory
    from posthouse.resources import Directory

    make_directory(Directory(paths.DIRECTORY, paths.AGENT_USER, paths.DIRECTORY_GROUP, 0o2750))


def _sqlite(path: Path, folder: Path) -> bool:
    before = os.umask(0o027)  # the file, -wal and -shm: 0640
    try:
        with translated(), closing(_connect(path)) as connection, hold.held(path):
            try:
                wanted = schema.migrations(folder)
                if schema.version(connection) == wanted[-1][0]:
                    return False
                with transaction(connection):
                    changed = _apply_sqlite(connection, path, wanted)
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # so that the file alone is a directory
                return changed
            finally:
                connection.close()  # while held: being the last, it would take -wal and -shm away
    finally:
        os.umask(before)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    path.chmod(0o640)
    return connection


def _apply_sqlite(connection: sqlite3.Connection, path: Path, wanted: tuple[tuple[int, Path], ...]) -> bool:
    found = schema.version(connection)  # again, now that nobody else can change it
    missing = _missing(path, found, wanted)
    if found and missing:
        _dump(path.with_name(f"before-{missing[0][0]:04}.sql"), connection.iterdump())
    connection.execute(f"{schema.TABLE} STRICT")
    for number, file in missing:
        for statement in _statements(file.read_text(encoding="utf-8")):
            connection.execute(statement)
        _applied(connection, number, file)
    return bool(missing)


def _postgresql(server: Server, folder: Path) -> bool:
    from posthouse.directory import dump, postgresql, roles

    def work() -> bool:
        wanted = schema.migrations(folder)
        with closing(postgresql.connect(server, statement_seconds=0)) as connection:
            with transaction(connection):
                missing = _missing(server, schema.version(connection), wanted)
                if missing and (lines := dump.lines(connection)):
                    target = paths.DIRECTORY_DB.with_name(f"before-{missing[0][0]:04}-postgresql.sql")
                    _dump(target, lines)
                connection.execute(_TABLE_POSTGRESQL)
                for number, file in missing:
                    connection.execute(file.read_text(encoding="utf-8"))
                    _applied(connection, number, file)
                roles.grant(connection)
            if missing:
                connection.execute("ANALYZE")
            return bool(missing)

    return postgresql.as_user(server.unix_user, work)


def _missing(place: Place, found: int, wanted: tuple[tuple[int, Path], ...]) -> tuple[tuple[int, Path], ...]:
    if found > wanted[-1][0]:
        raise schema.newer(place, found, wanted[-1][0])
    return wanted[found:]


def _applied(connection: Connection, number: int, file: Path) -> None:
    connection.execute("INSERT INTO posthouse_schema (version, name) VALUES (?, ?)", (number, file.stem))


def _statements(text: str) -> Iterator[str]:
    """Split SQL into statements: `executescript` would end the transaction."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), f"a statement without its end: {statement!r}"


def _dump(target: Path, lines: Iterable[str]) -> None:
    fresh = target.with_suffix(".new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as stream:
            for line in lines:
                stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise PosthouseError(
            f"{target}: the directory cannot be kept there before it is changed: {error.strerror}",
            f"make room on the file system of {target.parent}; nothing was changed",
        ) from error
