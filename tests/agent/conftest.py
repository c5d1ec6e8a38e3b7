"""A real directory in a temporary folder, and the agent's milter on a socket beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from posthouse import directory
from posthouse.agent.senders import Directory
from posthouse.directory import accounts, aliases, domains
from posthouse.directory.queries import Names

NAMES = Names("user@snorl.ax", "dmarc-reports", ("mail.snorl.ax", "localhost"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Domain snorl.ax with user@ (who owns the alias kim@) and user2@."""
    path = tmp_path / "mails.sqlite"
    directory.migrate(path)
    with closing(directory.open_writer(path)) as connection:
        domains.add(connection, "snorl.ax")
        accounts.add(connection, "user@snorl.ax", None)
        accounts.add(connection, "user2@snorl.ax", None)
        aliases.add(connection, "kim@snorl.ax", ["user@snorl.ax"])
    return path


@pytest.fixture
def connection(database: Path) -> Iterator[Connection]:
    """A writing connection."""
    with closing(directory.open_writer(database)) as opened:
        yield opened


@pytest.fixture
def people(connection: Connection) -> Directory:
    """The directory as the agent's senders ask it."""
    return Directory(lambda: connection, "mail.snorl.ax", "snorl.ax", NAMES)
