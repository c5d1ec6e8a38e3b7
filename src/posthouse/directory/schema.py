"""The schema's versions: which one the program has, which one a database has. Each backend counts its own."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from pathlib import Path

from posthouse.directory.backend import Connection, Place
from posthouse.errors import PosthouseError

FOLDER = Path(__file__).parent / "migrations" / "sqlite"
POSTGRESQL = Path(__file__).parent / "migrations" / "postgresql"
# each refers only to those before it
TABLES = ("transport", "users", "virtual", "grants", "app_passwords", "verifiers", "relay_logins")
TABLE = """CREATE TABLE IF NOT EXISTS posthouse_schema (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL,
    applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"""


class WrongSchema(PosthouseError):
    """The database's schema is older or newer than the program's."""


@lru_cache
def migrations(folder: Path = FOLDER) -> tuple[tuple[int, Path], ...]:
    """Return the numbered migrations in their order: 1, 2, ... without a gap."""
    found = sorted(
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_\w+\.sql", path.name))
    )
    assert [number for number, _ in found] == list(range(1, len(found) + 1)), f"a gap in {folder}"
    return tuple(found)


def folder_of(connection: Connection) -> Path:
    """Return the folder of a connection's migrations."""
    return FOLDER if isinstance(connection, sqlite3.Connection) else POSTGRESQL


def version(connection: Connection) -> int:
    """Return the database's schema version; 0 for an empty one. sqlite3.Error, PosthouseError if unreadable."""
    if isinstance(connection, sqlite3.Connection):
        look = "SELECT 1 FROM sqlite_master WHERE name = 'posthouse_schema'"
    else:
        look = "SELECT 1 WHERE to_regclass('public.posthouse_schema') IS NOT NULL"
    if connection.execute(look).fetchone() is None:
        return 0
    (number,) = connection.execute("SELECT coalesce(max(version), 0) FROM posthouse_schema").fetchone()
    return int(number)


def columns(connection: Connection, table: str) -> tuple[str, ...]:
    """Return a table's columns in their order, computed ones left out; none where there is no such table."""
    if isinstance(connection, sqlite3.Connection):
        query = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid"
        return tuple(row[0] for row in connection.execute(query, (table,)))
    query = """SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0
        AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"""
    return tuple(row[0] for row in connection.execute(query, (f"public.{table}",)))


def check(connection: Connection, place: Place) -> None:
    """WrongSchema unless the database has exactly this program's version."""
    found, ours = version(connection), migrations(folder_of(connection))[-1][0]
    if found > ours:
        raise newer(place, found, ours)
    if found < ours:
        raise WrongSchema(
            f"{place}: expected schema version {ours}, found {found}", "`posthouse up` brings it up to date"
        )


def newer(place: Place, found: int, ours: int) -> WrongSchema:
    """Return the error for a database that a newer program made."""
    return WrongSchema(
        f"{place}: its schema version is {found}, and this program knows versions up to {ours}",
        "a newer posthouse made it: install that one again; nothing was changed",
    )
