"""The schema's versions: which one the program has, which one a database has."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from pathlib import Path

from posthouse.errors import PosthouseError

FOLDER = Path(__file__).parent / "migrations" / "sqlite"
TABLE = """CREATE TABLE IF NOT EXISTS posthouse_schema (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL,
    applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT"""


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


def version(connection: sqlite3.Connection) -> int:
    """Return the database's schema version; 0 for an empty one. sqlite3.Error where unreadable."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'posthouse_schema'").fetchone()
    if there is None:
        return 0
    (number,) = connection.execute("SELECT coalesce(max(version), 0) FROM posthouse_schema").fetchone()
    return int(number)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """WrongSchema unless the database has exactly this program's version."""
    found, ours = version(connection), migrations()[-1][0]
    if found > ours:
        raise newer(path, found, ours)
    if found < ours:
        raise WrongSchema(
            f"{path}: expected schema version {ours}, found {found}", "`posthouse up` brings it up to date"
        )


def newer(path: Path, found: int, ours: int) -> WrongSchema:
    """Return the error for a database that a newer program made."""
    return WrongSchema(
        f"{path}: its schema version is {found}, and this program knows versions up to {ours}",
        "a newer posthouse made it: install that one again; nothing was changed",
    )
