"""The probe's own account: hidden, with a password that lives as long as one probe."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from posthouse import directory
from posthouse.directory import Connection, accounts, domains, passwords
from posthouse.errors import UsageError

LOCAL_PART = "posthouse-probe"


@dataclass(frozen=True)
class Probing:
    """An account that can log in now. `catch_all`: every address of its domain exists."""

    address: str
    password: str
    catch_all: bool

    def __repr__(self) -> str:
        return f"Probing({self.address})"


@contextmanager
def probing(domain: str) -> Iterator[Probing]:
    """Let the probe's account log in for the length of a `with` block; make it where it is missing.

    Raises:
        PosthouseError: the directory cannot be written, or does not serve the domain.
    """
    address, password = f"{LOCAL_PART}@{domain}", secrets.token_urlsafe(24)
    hashed = passwords.hash(password)

    def prepare(connection: Connection) -> bool:
        domains.get(connection, domain)
        try:
            accounts.get(connection, address)
        except UsageError:
            accounts.add(connection, address, hashed, realname="Posthouse probe", system=True)
        accounts.change(connection, address, active=True)
        accounts.set_password(connection, address, hashed)
        query = "SELECT 1 FROM virtual WHERE address = ? AND active = 1"
        return connection.execute(query, (f"@{domain}",)).fetchone() is not None

    catch_all = directory.writing(prepare)
    try:
        yield Probing(address, password, catch_all)
    finally:
        directory.writing(lambda connection: accounts.set_password(connection, address, None))
