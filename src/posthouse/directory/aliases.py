"""Aliases: rows of `virtual`, one for each target."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from posthouse.directory import addresses, domains
from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction, translated
from posthouse.directory.queries import BUILTIN
from posthouse.errors import UsageError

_SELECT = "SELECT address, userid, active FROM virtual"


@dataclass(frozen=True)
class Alias:
    """An alias with its targets; `address` is "@domain" for a catch-all."""

    address: str
    targets: tuple[str, ...]
    active: bool


def add(
    connection: Connection, address: str, targets: Sequence[str], builtin: Iterable[str] = BUILTIN
) -> Alias:
    """Add targets to an alias, and the alias where it is new; targets that it has already are no error.

    `builtin`: the local parts that exist at every domain (`queries.Names.builtin`).

    Raises:
        UsageError: its domain is not here, a target of our own domains does not exist, or it would be a loop
            (the message shows it).
    """
    address = addresses.alias(address)
    wanted = dict.fromkeys(addresses.target(target) for target in targets)
    if not wanted:
        raise UsageError(f"the alias {address} needs a target", f"posthouse alias add {address} TARGET...")
    with transaction(connection):
        domain = domains.get(connection, addresses.split(address)[1])
        if domain.alias_of is not None and address.startswith("@"):
            raise UsageError(
                f"{domain.name} is an alias of {domain.alias_of} and takes its catch-all",
                f"posthouse alias add @{domain.alias_of} TARGET...",
            )
        active = connection.execute(
            "SELECT coalesce(max(active), 1) FROM virtual WHERE address = ?", (address,)
        ).fetchone()[0]
        for target in wanted:
            if target == address and _is_account(connection, address):
                continue  # a mailbox that is also an alias keeps its copy anyway
            _check(connection, address, target, frozenset(builtin))
            connection.execute(
                "INSERT INTO virtual (address, userid, active) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (address, target, active),
            )
        return get(connection, address)


def get(connection: Connection, address: str) -> Alias:
    """Return an alias. UsageError where there is none."""
    address = addresses.alias(address)
    with translated():
        rows = connection.execute(f"{_SELECT} WHERE address = ? ORDER BY userid", (address,)).fetchall()
    for alias in _aliases(rows):
        return alias
    raise UsageError(f"there is no alias {address}", f"posthouse alias add {address} TARGET...")


def list(connection: Connection, domain: str | None = None) -> tuple[Alias, ...]:
    """Return the aliases, or those of a domain, by address."""
    where, key = (
        ("", ()) if domain is None else (" WHERE domain = ?", (domains.get(connection, domain).name,))
    )
    with translated():
        rows = connection.execute(f"{_SELECT}{where} ORDER BY domain, address, userid", key).fetchall()
    return tuple(_aliases(rows))


def change(connection: Connection, address: str, *, active: bool) -> Alias:
    """Switch an alias on or off. UsageError where there is none."""
    with transaction(connection):
        found = get(connection, address)
        connection.execute("UPDATE virtual SET active = ? WHERE address = ?", (int(active), found.address))
        return get(connection, address)


def remove(connection: Connection, address: str, targets: Sequence[str] = ()) -> Alias | None:
    """Remove an alias, or only some of its targets; return what is left of it.

    Raises:
        UsageError: there is no such alias, or it has no such target.
    """
    with transaction(connection):
        found = get(connection, address)
        gone = [addresses.target(target) for target in targets] or found.targets
        for target in gone:
            if target not in found.targets:
                raise UsageError(
                    f"{found.address} does not lead to {target}", f"posthouse alias show {address}"
                )
            connection.execute(
                "DELETE FROM virtual WHERE address = ? AND userid = ?", (found.address, target)
            )
        return get(connection, address) if set(gone) != set(found.targets) else None


def next_hops(connection: Connection, address: str) -> tuple[str, ...]:
    """Return where one address leads in one step by active aliases or a domain alias; no catch-all.

    An alias for the whole plus-address goes before its base's. sqlite3.Error where it cannot be read.
    """
    for key in dict.fromkeys((address, addresses.base(address))):
        rows = connection.execute(
            "SELECT v.userid FROM virtual v JOIN transport t ON t.domain = v.domain "
            "WHERE v.address = ? AND v.active = 1 AND t.active = 1 ORDER BY v.userid",
            (key,),
        ).fetchall()
        if rows:
            return tuple(row[0] for row in rows)
    local, domain = addresses.split(address)
    row = connection.execute(
        "SELECT alias_of FROM transport WHERE domain = ? AND active = 1 AND alias_of IS NOT NULL", (domain,)
    ).fetchone()
    return (f"{local}@{row[0]}",) if row else ()


def _check(connection: Connection, address: str, target: str, builtin: frozenset[str]) -> None:
    chain = _way(connection, target, address)
    if chain is not None:
        raise UsageError(
            f"{address} would lead to itself: " + " → ".join((address, *chain)),
            "Take one of these steps away first (posthouse alias remove ADDRESS TARGET).",
        )
    check_target(connection, target, builtin)


def check_target(connection: Connection, target: str, builtin: frozenset[str] = frozenset()) -> None:
    """UsageError where an address is at a domain of ours and nothing takes its mail."""
    local, domain = addresses.split(target)
    row = connection.execute("SELECT alias_of FROM transport WHERE domain = ?", (domain,)).fetchone()
    if row is None:
        return  # elsewhere
    here = f"{local}@{row[0] or domain}"
    keys = (target, addresses.base(target), here, addresses.base(here), f"@{row[0] or domain}")
    exists = (
        local in builtin
        or _is_account(connection, addresses.base(here))
        or connection.execute("SELECT 1 FROM virtual WHERE address IN (?, ?, ?, ?, ?)", keys).fetchone()
    )
    if not exists:
        raise UsageError(
            f"{target} is at our own domain {domain}, and does not exist",
            f"posthouse user add {target}, or correct the address.",
        )


def _way(connection: Connection, start: str, goal: str) -> tuple[str, ...] | None:
    """Return the chain of aliases from `start` to `goal`, both included; None where there is none."""
    seen = {start}
    todo: deque[tuple[str, ...]] = deque([(start,)])
    while todo:
        chain = todo.pop()
        if chain[-1] == goal:
            return chain
        for hop in next_hops(connection, chain[-1]):
            if hop not in seen:
                seen.add(hop)
                todo.append((*chain, hop))
    return None


def _is_account(connection: Connection, address: str) -> bool:
    return connection.execute("SELECT 1 FROM users WHERE userid = ?", (address,)).fetchone() is not None


def _aliases(rows: Iterable[tuple[str, str, int]]) -> Iterator[Alias]:
    for address, group in groupby(rows, key=lambda row: row[0]):
        found = tuple(group)
        yield Alias(address, tuple(row[1] for row in found), any(row[2] for row in found))
