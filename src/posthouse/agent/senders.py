"""Who sends: a login of submission, a Unix user of `sendmail`, or Sieve on behalf of an account."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from posthouse import paths
from posthouse.directory import Connection, addresses, ownership, translated
from posthouse.directory.queries import Names

T = TypeVar("T")

# pickup(8)'s header as Postfix renames it for us (see milter.py). The number is the owner of the file in the
# maildrop queue, which only postdrop(1) can write there, as the user that called it: no one can choose it.
UNIX_HEADER = "X-Posthouse-User"
# What Dovecot writes above a message that a script redirects; a script's own text can only come further below.
REDIRECTED = (b"x-sieve", b"x-sieve-redirected-from")
_ORIGIN = re.compile(rb"([0-9]{1,10}) ([0-9A-Za-z]{1,30}) ([A-Za-z0-9 ,:+()-]{1,60})(?:\n|\Z)")


class Ask(Protocol):
    """Calls a function that asks the directory, where that may wait."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Return what the function returns."""


async def at_once(function: Callable[[], T], /) -> T:
    """Call it here."""
    return function()


@dataclass(frozen=True)
class Directory:
    """The directory, and what the agent knows of the site beside it; names in lower case.

    `connection` raises PosthouseError while there is none, and so does all that asks the directory. All of that
    is to be called by `ask`, which keeps the event loop free where the answer takes its time.
    """

    connection: Callable[[], Connection]
    hostname: str
    main_domain: str
    names: Names
    ask: Ask = at_once

    def owned_by_login(self, login: str, address: str) -> bool:
        """Tell whether a login may send as an address."""
        return ownership.owned_by_login(self.connection(), login, address, self.names)

    def mark(self) -> int:
        """Return the mark that no account's is above now: sessions that begin at it are those of this moment."""
        with translated():
            (found,) = self.connection().execute("SELECT coalesce(max(revoked), 0) FROM users").fetchone()
        return int(found)

    def barred(self, login: str, mark: int) -> str | None:
        """Say why a login that began at `mark` may send nothing any more, or return None."""
        with translated():
            query = "SELECT frozen, revoked FROM users WHERE userid = ?"
            row = self.connection().execute(query, (login,)).fetchone()
        if row is None:
            return None  # and owns nothing
        if row[0]:
            return "this account is frozen, ask the postmaster"
        return "this login has ended, log in again" if row[1] > mark else None

    def is_ours(self, domain: str) -> bool:
        """Tell whether a domain is in the directory, active or not."""
        with translated():
            query = "SELECT 1 FROM transport WHERE domain = ?"
            return self.connection().execute(query, (domain,)).fetchone() is not None

    def has_mailbox(self, address: str) -> bool:
        """Tell whether an address is an account that takes mail."""
        with translated():
            query = "SELECT 1 FROM users WHERE userid = ? AND active = 1"
            return self.connection().execute(query, (address.lower(),)).fetchone() is not None


@dataclass(frozen=True)
class Login:
    """A login of the submission service, as SASL knows it ({auth_authen})."""

    name: str
    directory: Directory

    def __str__(self) -> str:
        return f"Login {self.name}"

    def owns(self, address: str) -> bool:
        """Tell whether the login owns an address; PosthouseError where the directory does not answer."""
        return self.directory.owned_by_login(self.name, address)

    def advice(self, address: str) -> str:
        """Say what the user can do, and what the postmaster can."""
        return f"Use {self.name} or an alias of it, or ask the postmaster for a grant of {address}"


@dataclass(frozen=True)
class UnixUser:
    """A user of this machine who calls `sendmail`."""

    name: str
    directory: Directory

    def __str__(self) -> str:
        return f"Unix user {self.name}"

    @property
    def returns_to(self) -> str:
        """Where mail of this user goes that was refused: a mailbox of that name, or local mail's way."""
        address = f"{self.name}@{self.directory.main_domain}"
        return address if self.directory.has_mailbox(address) else f"{self.name}@{self.directory.hostname}"

    def owns(self, address: str) -> bool:
        """Tell whether the Unix user may use an address; PosthouseError where the directory is away."""
        where = self.directory
        return ownership.owned_by_unix(
            where.connection(), self.name, address, where.hostname, where.main_domain
        )

    def advice(self, address: str) -> str:  # noqa: ARG002
        """Name the address that would have been right."""
        return f"Use {self.name}@{self.directory.main_domain}, or submit it with a login on port 587"


@dataclass(frozen=True)
class Sieve:
    """Dovecot, running as the owner of the store, sends what a Sieve script answers or refuses.

    The envelope sender is the account whose script it is (`sieve_vacation_send_from_recipient`; notifications,
    which could choose it, are switched off), so all must be owned by that. A null sender is a refusal
    (RFC 5429), which Dovecot writes as the postmaster.
    """

    envelope_sender: str
    directory: Directory

    def __str__(self) -> str:
        return f"Sieve, sending for {self.envelope_sender or 'nobody'},"

    @property
    def returns_to(self) -> str:
        """Where a refused message goes: it is no honest script's, so the postmaster looks at it."""
        return f"postmaster@{self.directory.main_domain}"

    def owns(self, address: str) -> bool:
        """Tell whether an address is the account's."""
        if not self.envelope_sender:
            return address == self.returns_to
        return self.directory.owned_by_login(addresses.base(self.envelope_sender.lower()), address)

    def advice(self, address: str) -> str:  # noqa: ARG002
        """Say what the script may do."""
        return "A script may send only as its own account"


@dataclass(frozen=True)
class Origin:
    """What pickup says of a local message: the number of the Unix user, the queue id, the date."""

    number: int
    queue_id: str
    date: str

    @classmethod
    def read(cls, top: Sequence[tuple[bytes, bytes]]) -> Origin | None:
        """Read it from the first header, or return None where that is another one.

        The caller compares the queue id: a look-alike is the sender's own text.
        """
        if not top or top[0][0].lower() != UNIX_HEADER.lower().encode():
            return None
        match = _ORIGIN.match(top[0][1])
        if match is None:
            return None
        return cls(int(match[1]), match[2].decode(), match[3].decode())


def is_redirected(name: str, top: Sequence[tuple[bytes, bytes]]) -> bool:
    """Tell whether local mail of a Unix user is a message that a Sieve script redirects; `top`: its first headers.

    Both senders of such a message are whoever wrote to the account, from anywhere: they say nothing.
    """
    return name == paths.STORE_USER and tuple(header.lower() for header, _ in top[1:3]) == REDIRECTED


def unix_sender(name: str, envelope_sender: str, directory: Directory) -> UnixUser | Sieve:
    """Return the sender for a Unix user's name."""
    if name == paths.STORE_USER:
        return Sieve(envelope_sender, directory)
    return UnixUser(name, directory)
