"""Logins at smart hosts, by the smart host's name or by the domain of a route. No password stands here that is not
sealed: Postfix and Dovecot may read the SQLite file, and a dump goes anywhere."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction, translated
from posthouse.errors import UsageError


@dataclass(frozen=True)
class RelayLogin:
    """One login. `sealed`: the password, for who has the key; `created`: UTC."""

    name: str
    username: str
    sealed: str
    created: str


def put(connection: Connection, name: str, username: str, sealed: str) -> None:
    """Keep a login, in the place of one of before. Refused: the directory does not take a value."""
    with transaction(connection):
        connection.execute("DELETE FROM relay_logins WHERE name = ?", (name,))
        connection.execute(
            "INSERT INTO relay_logins (name, username, sealed) VALUES (?, ?, ?)", (name, username, sealed)
        )


def list(connection: Connection) -> builtins.list[RelayLogin]:
    """Return all logins by name."""
    with translated():
        rows = connection.execute("SELECT name, username, sealed, created FROM relay_logins ORDER BY name")
        return [RelayLogin(*row) for row in rows]


def first(connection: Connection, names: Sequence[str]) -> RelayLogin | None:
    """Return the login of the first of these names that has one."""
    found = {login.name: login for login in list(connection)}
    return next((found[name] for name in names if name in found), None)


def remove(connection: Connection, name: str) -> None:
    """Take a login away. UsageError where there is none of that name."""
    with transaction(connection):
        if not connection.execute("DELETE FROM relay_logins WHERE name = ?", (name,)).rowcount:
            raise UsageError(f"there is no login of {name}", "posthouse relay login list")
