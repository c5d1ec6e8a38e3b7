"""A directory with the names of the documentation, in memory or in a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.directory.people import NAMES, PEOPLE

from posthouse import directory
from posthouse.directory import queries, schema


@pytest.fixture
def empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for _, path in schema.migrations():
        connection.executescript(path.read_text())
    return connection


@pytest.fixture
def people(empty: sqlite3.Connection) -> sqlite3.Connection:
    empty.executescript(PEOPLE)
    return empty


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "directory"
    folder.mkdir()
    path = folder / "mails.sqlite"
    assert directory.migrate(path)
    return path


@pytest.fixture
def resolve(people: sqlite3.Connection) -> Callable[[str], set[str]]:
    """What Postfix gets for an address: sqlite_table(5) doubles the quotes of what it puts for %s."""

    def answer(address: str) -> set[str]:
        query = queries.aliases(NAMES).replace("%s", address.replace("'", "''"))
        return {row[0] for row in people.execute(query)}

    return answer
