"""Grants: which login may send as an address that it does not own."""

from __future__ import annotations

from posthouse.directory import accounts, addresses, domains
from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction
from posthouse.errors import UsageError


def add(connection: Connection, login: str, address: str) -> None:
    """Let a login send as an address of ours, or as any of "@domain"; said again, it is no error.

    Raises:
        UsageError: there is no such account, or the domain is not ours.
    """
    with transaction(connection):
        account = accounts.get(connection, login)
        address = addresses.alias(address)
        domains.get(connection, addresses.split(address)[1])
        connection.execute(
            "INSERT INTO grants (address, userid) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (address, account.address),
        )


def remove(connection: Connection, login: str, address: str) -> None:
    """Take a grant back. UsageError where there is none."""
    with transaction(connection):
        account = accounts.get(connection, login)
        address = addresses.alias(address)
        gone = connection.execute(
            "DELETE FROM grants WHERE address = ? AND userid = ?", (address, account.address)
        )
        if not gone.rowcount:
            raise UsageError(
                f"{account.address} has no grant to send as {address}",
                "What it owns by itself are its address and the aliases that lead only to it.",
            )
