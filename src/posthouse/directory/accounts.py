"""Accounts: rows of `users`. An account is a login and a mailbox."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from posthouse.directory import addresses, domains
from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction, translated
from posthouse.errors import UsageError

_SELECT = """SELECT userid, realname, active, quota, password IS NOT NULL, path, system,
    coalesce(format, 'maildir'), frozen, apps_only FROM users"""


_PARAMETERS = 500  # in a query: SQLite takes 32,766, PostgreSQL 65,535


class _Unset:
    """The default of what `change` is to leave alone, since None means something."""


UNSET: Final = _Unset()


@dataclass(frozen=True)
class Account:
    """An account, without its password.

    `quota`: bytes, 0 for no limit, None for the site's. `path`: its mail, below the store (`format` maildir) or
    below `paths.MDBOX` (mdbox). `frozen`: nobody logs in, and what it submitted waits. `apps_only`: only its app
    passwords log in. `aliases` lead to it directly; as `may_send_as` it may send beside what it owns.
    """

    address: str
    realname: str | None
    active: bool
    quota: int | None
    has_password: bool
    path: str
    system: bool
    format: str
    frozen: bool
    apps_only: bool
    aliases: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()


def add(
    connection: Connection,
    address: str,
    password_hash: str | None,
    realname: str | None = None,
    quota: int | None = None,
    *,
    system: bool = False,
    format: str | None = None,
) -> Account:
    """Add an account; `password_hash` carries its {SCHEME}, None means that nobody can log in.

    `format` is "maildir" or "mdbox"; None is maildir, as for rows that plain SQL makes.

    Raises:
        UsageError: it exists, its domain does not or is only an alias, or a value is not allowed.
    """
    with transaction(connection):
        address = check_new(connection, address)
        connection.execute(
            "INSERT INTO users (userid, password, realname, quota, system, format) VALUES (?, ?, ?, ?, ?, ?)",
            (address, password_hash, realname, _quota(quota), int(system), format),
        )
        return get(connection, address)


def check_new(connection: Connection, address: str) -> str:
    """Return the address of an account to be, in its normal form. UsageError where it cannot be added."""
    address = addresses.account(address)
    if _find(connection, address) is not None:
        raise UsageError(
            f"the account {address} is here already",
            f"posthouse password {address} sets its password; posthouse user show {address} shows it",
        )
    domain = domains.get(connection, addresses.split(address)[1])
    if domain.alias_of is not None:
        raise UsageError(
            f"{domain.name} is an alias of {domain.alias_of}, and has no accounts of its own",
            f"Add {addresses.split(address)[0]}@{domain.alias_of}.",
        )
    return address


def usual_path(address: str) -> str:
    """Return where the mail of an account is that names no `home` of its own, below the store."""
    user, domain = addresses.split(address)
    return f"{domain}/mails/{user}"


def get(connection: Connection, address: str) -> Account:
    """Return an account. UsageError where there is none."""
    address = addresses.account(address)
    found = _find(connection, address)
    if found is None:
        raise UsageError(f"there is no account {address}", f"posthouse user add {address}")
    return found


def list(
    connection: Connection, domain: str | None = None, *, after: str | None = None, limit: int | None = None
) -> tuple[Account, ...]:
    """Return the accounts, or those of a domain, by domain and address; without the hidden ones of the system.

    `after`, `limit`: a page: at most so many of those that come after an address, which need not be here. What a
    page costs does not depend on how many accounts there are.
    """
    where, key = ["system = 0"], builtins.list[str]()
    if domain is not None:
        where.append("domain = ?")
        key.append(domains.get(connection, domain).name)
    if after is not None:
        after = addresses.account(after)
        where.append("(domain, userid) > (?, ?)")
        key += [addresses.split(after)[1], after]
    some = "" if limit is None else f" LIMIT {int(limit)}"
    with translated():
        rows = connection.execute(
            f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY domain, userid{some}", tuple(key)
        ).fetchall()
        found = tuple(row[0] for row in rows)
        aliases, grants = (_of(connection, table, found, limit is None) for table in ("virtual", "grants"))
    return tuple(_account(row, aliases.get(row[0], ()), grants.get(row[0], ())) for row in rows)


def _of(
    connection: Connection, table: str, userids: Sequence[str], everybody: bool
) -> dict[str, tuple[str, ...]]:
    """The addresses in `virtual` or `grants` that lead to each account: of everybody at once, or part by part."""
    if everybody:
        return _grouped(connection, f"SELECT userid, address FROM {table} ORDER BY address")  # noqa: S608
    found: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(userids), _PARAMETERS):
        some = userids[start : start + _PARAMETERS]
        marks = ", ".join("?" * len(some))
        query = f"SELECT userid, address FROM {table} WHERE userid IN ({marks}) ORDER BY address"  # noqa: S608
        found.update(_grouped(connection, query, some))
    return found


def change(
    connection: Connection,
    address: str,
    *,
    realname: str | _Unset | None = UNSET,
    quota: int | _Unset | None = UNSET,
    active: bool | _Unset = UNSET,
    frozen: bool | _Unset = UNSET,
    apps_only: bool | _Unset = UNSET,
) -> Account:
    """Change what is given. Raises UsageError as `add`."""
    with transaction(connection):
        found = get(connection, address)
        values: dict[str, object] = {"realname": realname, "active": active}
        values |= {"frozen": frozen, "apps_only": apps_only}
        values["quota"] = quota if isinstance(quota, _Unset) else _quota(quota)
        for column, value in values.items():
            if not isinstance(value, _Unset):
                stored = int(value) if isinstance(value, bool) else value
                query = f"UPDATE users SET {column} = ? WHERE userid = ?"  # noqa: S608 - our own columns
                connection.execute(query, (stored, found.address))
        return get(connection, address)


def set_password(connection: Connection, address: str, password_hash: str | None) -> None:
    """Set the password's hash, with its {SCHEME}; None: nobody can log in. UsageError: no such account."""
    with transaction(connection):
        found = get(connection, address)
        connection.execute("UPDATE users SET password = ? WHERE userid = ?", (password_hash, found.address))


def end_sessions(connection: Connection, address: str) -> None:
    """Say that what began before this moment is over: the agent sends nothing more from such sessions.

    UsageError: no such account.
    """
    with transaction(connection):
        found = get(connection, address)
        query = "UPDATE users SET revoked = (SELECT max(revoked) FROM users) + 1 WHERE userid = ?"
        connection.execute(query, (found.address,))


def set_format(connection: Connection, address: str, form: str) -> None:
    """Say that the account's mail is in this format now, and open: for whoever carried it there.

    UsageError: no such account.
    """
    with transaction(connection):
        found = get(connection, address)
        now = datetime.now(UTC).isoformat()
        connection.execute(
            "UPDATE users SET format = ?, converted = ?, closed = 0 WHERE userid = ?",
            (form, now, found.address),
        )


def set_closed(connection: Connection, address: str, closed: bool) -> None:
    """Have Dovecot answer for this account that it is to be tried later, or no longer. UsageError: no such account."""
    with transaction(connection):
        found = get(connection, address)
        connection.execute("UPDATE users SET closed = ? WHERE userid = ?", (int(closed), found.address))


def nested(connection: Connection, address: str) -> tuple[str, ...]:
    """Return the accounts whose mail lies inside this one's folder, or around it. UsageError: no such account."""
    found = get(connection, address)
    inside = "substr({0}.path, 1, length({1}.path) + 1) = {1}.path || '/'"
    query = f"""SELECT o.userid FROM users o JOIN users u ON u.userid = ?
        WHERE {inside.format("o", "u")} OR {inside.format("u", "o")} ORDER BY o.userid"""  # noqa: S608
    with translated():
        return tuple(row[0] for row in connection.execute(query, (found.address,)))


def remove(connection: Connection, address: str) -> Account:
    """Remove an account with its grants, and return it as it was. Its mail stays in the store.

    It is taken out of the aliases that led to it (`aliases` of the result); one without another target goes.
    """
    with transaction(connection):
        found = get(connection, address)
        connection.execute("DELETE FROM virtual WHERE userid = ?", (found.address,))
        connection.execute("DELETE FROM users WHERE userid = ?", (found.address,))
        return found


def _find(connection: Connection, address: str) -> Account | None:
    with translated():
        row = connection.execute(f"{_SELECT} WHERE userid = ?", (address,)).fetchone()
        if row is None:
            return None
        aliases = _grouped(
            connection, "SELECT userid, address FROM virtual WHERE userid = ? ORDER BY address", (address,)
        )
        grants = _grouped(
            connection, "SELECT userid, address FROM grants WHERE userid = ? ORDER BY address", (address,)
        )
    return _account(row, aliases.get(address, ()), grants.get(address, ()))


def _grouped(connection: Connection, query: str, key: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    found: dict[str, builtins.list[str]] = {}
    for userid, address in connection.execute(query, key):
        found.setdefault(userid, []).append(address)
    return {userid: tuple(some) for userid, some in found.items()}


def _account(
    row: tuple[str, str | None, int, int | None, int, str, int, str, int, int],
    aliases: tuple[str, ...],
    grants: tuple[str, ...],
) -> Account:
    address, realname, active, quota, has_password, path, system, form, frozen, apps_only = row
    return Account(
        address,
        realname,
        bool(active),
        quota,
        bool(has_password),
        path,
        bool(system),
        form,
        bool(frozen),
        bool(apps_only),
        aliases,
        grants,
    )


def _quota(quota: int | None) -> int | None:
    if quota is not None and not 0 <= quota < 2**63:
        raise UsageError(f"quota: {quota} is not a number of bytes", "Write 5G, 500M, or 0 for no limit.")
    return quota
