"""A directory with the names of the documentation, in either backend."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests import postgresql
from tests.directory.people import NAMES, fill

from posthouse import directory
from posthouse.directory import Connection, queries, schema

BACKENDS = ("sqlite", "postgresql")


def in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for _, path in schema.migrations():
        connection.executescript(path.read_text())
    return connection


@pytest.fixture
def both(cluster: postgresql.Cluster) -> Iterator[list[Connection]]:
    """An empty directory in each backend."""
    with closing(directory.open_writer(postgresql.emptied(cluster))) as opened:
        yield [in_memory(), opened]


@pytest.fixture(params=BACKENDS)
def empty(request: pytest.FixtureRequest) -> Iterator[Connection]:
    if request.param == "sqlite":
        yield in_memory()
    else:
        server = postgresql.emptied(request.getfixturevalue("cluster"))
        with closing(directory.open_writer(server)) as opened:
            yield opened


@pytest.fixture
def people(empty: Connection) -> Connection:
    fill(empty)
    return empty


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An SQLite file."""
    folder = tmp_path / "directory"
    folder.mkdir()
    path = folder / "mails.sqlite"
    assert directory.migrate(path)
    return path


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest) -> directory.Place:
    """An empty directory, in a file or a database of its own."""
    if request.param == "sqlite":
        return request.getfixturevalue("database")  # type: ignore[no-any-return]
    return request.getfixturevalue("cluster").new()  # type: ignore[no-any-return]


@pytest.fixture
def resolve(people: Connection) -> Callable[[str], set[str]]:
    """What Postfix gets for an address: sqlite_table(5) doubles the quotes of what it puts for %s."""

    def answer(address: str) -> set[str]:
        query = queries.aliases(NAMES, dialect=queries.dialect_of(people)).replace(
            "%s", address.replace("'", "''")
        )
        return {row[0] for row in people.execute(query)}

    return answer
