"""Mail domains: rows of `transport`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.directory import addresses
from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction, translated
from posthouse.errors import PosthouseError, UsageError

_SELECT = """SELECT domain, active, alias_of,
    (SELECT count(*) FROM users u WHERE u.domain = t.domain AND u.system = 0),
    (SELECT count(DISTINCT address) FROM virtual v WHERE v.domain = t.domain) FROM transport t"""
_SHOWN = 20  # names in an error message


@dataclass(frozen=True)
class Domain:
    """A mail domain. `alias_of`: every address at this one is the same address at that one."""

    name: str
    active: bool
    alias_of: str | None
    accounts: int
    aliases: int


def add(connection: Connection, name: str, alias_of: str | None = None) -> Domain:
    """Add a domain. UsageError: it exists, the name is none, or `alias_of` is no domain of its own here."""
    name = addresses.domain(name)
    with transaction(connection):
        if _find(connection, name) is not None:
            raise UsageError(f"the domain {name} is here already", f"posthouse domain show {name}")
        if alias_of is not None:
            alias_of = addresses.domain(alias_of)
            if get(connection, alias_of).alias_of is not None:
                raise UsageError(f"{alias_of} is itself only an alias of another domain", "Name that one.")
        connection.execute("INSERT INTO transport (domain, alias_of) VALUES (?, ?)", (name, alias_of))
        return get(connection, name)


def get(connection: Connection, name: str) -> Domain:
    """Return a domain. UsageError where it is not here."""
    name = addresses.domain(name)
    found = _find(connection, name)
    if found is None:
        raise UsageError(f"the domain {name} is not here", f"posthouse domain add {name}")
    return found


def list(connection: Connection) -> tuple[Domain, ...]:
    """Return all domains by name."""
    with translated():
        return tuple(_domain(row) for row in connection.execute(f"{_SELECT} ORDER BY domain"))


def change(connection: Connection, name: str, *, active: bool) -> Domain:
    """Switch a domain on or off; off means that its addresses are refused and its accounts cannot log in."""
    with transaction(connection):
        found = get(connection, name)
        connection.execute("UPDATE transport SET active = ? WHERE domain = ?", (int(active), found.name))
        return get(connection, name)


def remove(connection: Connection, name: str) -> None:
    """Remove a domain. PosthouseError with the list where accounts, aliases or domain aliases are left."""
    with transaction(connection):
        check_empty(connection, name)
        key = (get(connection, name).name,)
        connection.execute("DELETE FROM users WHERE domain = ? AND system = 1", key)
        connection.execute("DELETE FROM grants WHERE domain = ?", key)
        connection.execute("DELETE FROM transport WHERE domain = ?", key)


def check_empty(connection: Connection, name: str) -> None:
    """Raise PosthouseError with the list where accounts, aliases or domain aliases are left."""
    found = get(connection, name)
    left = {
        "accounts": "SELECT userid FROM users WHERE domain = ? AND system = 0 ORDER BY userid",
        "aliases": "SELECT DISTINCT address FROM virtual WHERE domain = ? ORDER BY address",
        "domain aliases": "SELECT domain FROM transport WHERE alias_of = ? ORDER BY domain",
    }
    lines = [
        f"{what}: {_some([row[0] for row in rows])}"
        for what, query in left.items()
        if (rows := connection.execute(query, (found.name,)).fetchall())
    ]
    if lines:
        raise PosthouseError(
            f"the domain {found.name} still has\n    " + "\n    ".join(lines), "Remove these first."
        )


def _find(connection: Connection, name: str) -> Domain | None:
    with translated():
        row = connection.execute(f"{_SELECT} WHERE domain = ?", (name,)).fetchone()
    return row and _domain(row)


def _domain(row: tuple[str, int, str | None, int, int]) -> Domain:
    return Domain(row[0], bool(row[1]), row[2], row[3], row[4])


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
