"""App passwords: 128 random bits for one program, for chosen protocols, gone at once when revoked.

Only their SHA-256 is stored. That is enough for what nobody can guess, and a login by it costs no more than a
lookup. Which of them logged in is told by the agent (`used`).
"""

from __future__ import annotations

import base64
import builtins
import hashlib
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from posthouse.directory import accounts
from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction, translated
from posthouse.errors import UsageError

PROTOCOLS = ("imap", "pop3", "smtp", "sieve")


@dataclass(frozen=True)
class AppPassword:
    """One app password, without its secret. Times are UTC, `last_used` exact to some seconds; None: never."""

    address: str
    name: str
    protocols: tuple[str, ...]
    created: str
    last_used: str | None
    last_address: str | None


def add(
    connection: Connection, address: str, name: str, protocols: Sequence[str] = PROTOCOLS
) -> tuple[AppPassword, str]:
    """Make an app password, and return it with its secret, which is stored nowhere.

    Raises:
        UsageError: no such account, the name is taken or not allowed, or a protocol is none.
    """
    secret = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    flags = [int(protocol in protocols) for protocol in PROTOCOLS]
    if set(protocols) - set(PROTOCOLS) or not any(flags):
        raise UsageError(
            f"protocols: found {', '.join(protocols) or 'none'}", f"Known: {', '.join(PROTOCOLS)}."
        )
    with transaction(connection):
        account = accounts.get(connection, address)
        if any(found.name == name for found in list(connection, account.address)):
            raise UsageError(
                f"{account.address} has an app password {name!r} already",
                "Take another name, or revoke that one first.",
            )
        connection.execute(
            f"INSERT INTO app_passwords (userid, name, digest, {', '.join(PROTOCOLS)}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (account.address, name, hashlib.sha256(secret.encode()).hexdigest(), *flags),
        )
        made = next(found for found in list(connection, account.address) if found.name == name)
    return made, secret


def list(connection: Connection, address: str) -> tuple[AppPassword, ...]:
    """Return an account's app passwords by name. UsageError: no such account."""
    account = accounts.get(connection, address)
    with translated():
        rows = connection.execute(
            f"SELECT name, {', '.join(PROTOCOLS)}, created, last_used, last_address FROM app_passwords "  # noqa: S608
            "WHERE userid = ? ORDER BY name",
            (account.address,),
        ).fetchall()
    return tuple(
        AppPassword(
            account.address,
            row[0],
            tuple(name for name, flag in zip(PROTOCOLS, row[1:5], strict=True) if flag),
            *row[5:8],
        )
        for row in rows
    )


def revoke(connection: Connection, address: str, names: Collection[str] | None = None) -> builtins.list[str]:
    """Take app passwords away, None for all, and return their names; what was submitted by them ends with that.

    Raises:
        UsageError: no such account, or one of the names is not there; nothing was revoked then.
    """
    with transaction(connection):
        there = [found.name for found in list(connection, address)]
        gone = there if names is None else builtins.list(names)
        for name in gone:
            if name not in there:
                known = f"It has: {', '.join(there)}." if there else "It has none."
                raise UsageError(f"{address} has no app password {name!r}", known)
            connection.execute(
                "DELETE FROM app_passwords WHERE userid = ? AND name = ?",
                (accounts.get(connection, address).address, name),
            )
    return gone


def used(connection: Connection, logins: Iterable[tuple[str, str, float, str]]) -> None:
    """Note logins: account, name, when (POSIX seconds) and from which address. One that is gone is nobody's error."""
    with transaction(connection):
        connection.executemany(
            "UPDATE app_passwords SET last_used = ?, last_address = ? WHERE userid = ? AND name = ?",
            [
                (datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S"), source, userid, name)
                for userid, name, when, source in logins
            ],
        )
