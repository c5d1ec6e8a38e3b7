"""A real directory in a temporary folder, and the agent's milter on a socket beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests import postgresql

from posthouse import directory
from posthouse.agent.senders import Directory
from posthouse.directory import Connection, accounts, aliases, domains
from posthouse.directory.queries import Names

NAMES = Names("user@snorl.ax", "dmarc-reports", ("mail.snorl.ax", "localhost"))


def fill(connection: Connection) -> None:
    """Domain snorl.ax with user@ (who owns the alias kim@) and user2@."""
    domains.add(connection, "snorl.ax")
    accounts.add(connection, "user@snorl.ax", None)
    accounts.add(connection, "user2@snorl.ax", None)
    aliases.add(connection, "kim@snorl.ax", ["user@snorl.ax"])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The directory in an SQLite file."""
    path = tmp_path / "mails.sqlite"
    directory.migrate(path)
    directory.writing(fill, path)
    return path


@pytest.fixture
def server(cluster: postgresql.Cluster) -> directory.Server:
    """The directory in PostgreSQL."""
    server = postgresql.emptied(cluster)
    directory.writing(fill, server)
    return server


@pytest.fixture(params=["database", "server"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A writing connection, to either."""
    with closing(directory.open_writer(request.getfixturevalue(request.param))) as opened:
        yield opened


@pytest.fixture
def people(connection: Connection) -> Directory:
    """The directory as the agent's senders ask it."""
    return Directory(lambda: connection, "mail.snorl.ax", "snorl.ax", NAMES)
