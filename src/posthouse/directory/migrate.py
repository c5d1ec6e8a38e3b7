"""Bring the directory to the program's schema in one transaction; make it where there is none."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from posthouse import paths
from posthouse.directory import hold, schema
from posthouse.directory.connect import BUSY_SECONDS, transaction, translated


def migrate(path: Path | None = None, folder: Path = schema.FOLDER) -> bool:
    """Apply what is missing; True where anything was. Said by root, it is done as the directory's owner.

    An existing database is dumped to `before-NNNN.sql` beside it first (0600: it holds password hashes). The
    file is never replaced, so that the agent, Postfix and Dovecot may have it open.

    Raises:
        schema.WrongSchema: a newer program made it; nothing was changed.
        PosthouseError: it cannot be written.
    """
    path = path or paths.DIRECTORY_DB
    if path == paths.DIRECTORY_DB and os.geteuid() == 0:
        from posthouse.host.accounts import drop_to
        from posthouse.host.files import make_directory
        from posthouse.resources import Directory

        make_directory(Directory(paths.DIRECTORY, paths.AGENT_USER, paths.DIRECTORY_GROUP, 0o2750))
        return drop_to(paths.AGENT_USER, lambda: _migrate(path, folder))
    return _migrate(path, folder)


def _migrate(path: Path, folder: Path) -> bool:
    before = os.umask(0o027)  # the file, -wal and -shm: 0640
    try:
        with translated(), closing(_connect(path)) as connection, hold.held(path):
            try:
                wanted = schema.migrations(folder)
                if schema.version(connection) == wanted[-1][0]:
                    return False
                with transaction(connection):
                    changed = _apply(connection, path, wanted)
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # so that the file alone is a directory
                return changed
            finally:
                connection.close()  # while held: being the last, it would take -wal and -shm away
    finally:
        os.umask(before)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    path.chmod(0o640)
    return connection


def _apply(connection: sqlite3.Connection, path: Path, wanted: tuple[tuple[int, Path], ...]) -> bool:
    found = schema.version(connection)  # again, now that nobody else can change it
    if found > wanted[-1][0]:
        raise schema.newer(path, found, wanted[-1][0])
    missing = wanted[found:]
    if found and missing:
        _dump(connection, path.with_name(f"before-{missing[0][0]:04}.sql"))
    connection.execute(schema.TABLE)
    for number, file in missing:
        for statement in _statements(file.read_text(encoding="utf-8")):
            connection.execute(statement)
        connection.execute("INSERT INTO posthouse_schema (version, name) VALUES (?, ?)", (number, file.stem))
    return bool(missing)


def _statements(text: str) -> Iterator[str]:
    """Split SQL into statements: `executescript` would end the transaction."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), f"a statement without its end: {statement!r}"


def _dump(connection: sqlite3.Connection, target: Path) -> None:
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as stream:
        for line in connection.iterdump():
            stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(target)
