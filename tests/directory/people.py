"""Names of the documentation, for the tests of the directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from posthouse.directory import Connection, Refused, queries

NAMES = queries.Names("user@snorl.ax", "dmarc-reports", ("mail.snorl.ax", "localhost", "localhost.snorl.ax"))
PEOPLE = """
INSERT INTO transport (domain, transport) VALUES ('snorl.ax', 'virtual:'), ('b.example', 'virtual:');
INSERT INTO transport (domain, alias_of) VALUES ('twin.example', 'snorl.ax');
INSERT INTO users (userid, password) VALUES ('user@snorl.ax', '{PLAIN}x'), ('user2@snorl.ax', '{PLAIN}y'),
    ('b@b.example', NULL);
INSERT INTO users (userid, active) VALUES ('off@snorl.ax', 0);
INSERT INTO virtual (address, userid) VALUES ('kim@snorl.ax', 'user@snorl.ax');
"""

# What a value that cannot be stored raises: SQLite's own connection, and ours to PostgreSQL.
REFUSED = (sqlite3.IntegrityError, Refused)


def fill(connection: Connection, text: str = PEOPLE) -> None:
    """Run statements, none of which has a semicolon inside."""
    for statement in text.split(";"):
        if statement.strip():
            connection.execute(statement)


def is_sqlite(connection: Connection) -> bool:
    """Tell which it is."""
    return isinstance(connection, sqlite3.Connection)


@contextmanager
def undone(connection: Connection) -> Iterator[Connection]:
    """Leave nothing of what is done inside."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.rollback()
