"""Whose mail is it: may this login, or this Unix user, send what this message says it is?

A submitted message (with a login) may only name addresses that the login owns, in its envelope and in every
header that a mail program shows as the author; local mail (`sendmail`) only addresses of the Unix user.
Who owns what is asked through `Sender.owns`; nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from posthouse.agent import addresses

AUTHOR_HEADERS = ("from", "sender", "resent-from", "resent-sender")
_HEADER_NAME = re.compile(rb"[^!-9;-~]")  # what RFC 5322 section 3.6.8 does not allow in a field's name
_PLAIN = re.compile(r"[^ -$&-~]")


class Sender(Protocol):
    """Who sends: a login or a Unix user."""

    def __str__(self) -> str:
        """Name the sender for the refusal's text: `login user@snorl.ax`, `Unix user www-data`."""

    def owns(self, address: str) -> bool:
        """Tell whether the sender may use this address; raises what the directory raises."""

    def advice(self, address: str) -> str:
        """Say what to do to be allowed to use this address."""


@dataclass(frozen=True)
class Refusal:
    """A permanent refusal as an SMTP reply (RFC 5321 section 4.2, RFC 3463)."""

    text: str
    code: str = "550 5.7.1"

    def __str__(self) -> str:
        return f"{self.code} {_PLAIN.sub('?', self.text)[:400]}"


@dataclass
class Headers:
    """What the policy needs to see of a message's header, as it comes in, bounded in size."""

    authors: list[tuple[str, bytes]] = field(default_factory=list)
    strange: str = ""
    _size: int = 0

    def add(self, name: bytes, value: bytes) -> None:
        """Take one header field: `name` without colon, `value` as it stands, folded lines included."""
        known = _HEADER_NAME.sub(b"", name).lower().decode("ascii")
        if b"\r" in value:
            # Some programs take a bare CR for the end of the line, and see other headers than we do.
            self.strange = self.strange or f"header {known}: has a bare carriage return"
        if known not in AUTHOR_HEADERS:
            return
        if name.strip(b" \t").lower() != known.encode():
            self.strange = self.strange or f"the name of header {known}: has other characters in it"
        self._size += len(value)
        if len(self.authors) >= 20 or self._size > 4 * addresses.MAX_HEADER:
            self.strange = self.strange or "there are too many headers that name its author"
            return
        self.authors.append((known, value))

    def domains(self) -> set[str]:
        """Return the domains of From:, lower case; empty where it is not clear."""
        try:
            boxes = [box for name, value in self.authors if name == "from" for box in addresses.read(value)]
        except addresses.Unclear:
            return set()
        return {box.address.rpartition("@")[2].lower() for box in boxes}


def check_envelope(who: Sender, sender: str) -> Refusal | None:
    """Judge the envelope sender (without angle brackets; empty: a null sender, which From: answers for)."""
    # Nobody here has an address beyond ASCII, and what .lower() makes of some letters there is another one's.
    if not sender or (sender.isascii() and who.owns(normal(sender))):
        return None
    return Refusal(f"{who} may not send as <{sender}> (envelope sender). {who.advice(sender)}", "553 5.7.1")


def check_headers(who: Sender, headers: Headers) -> Refusal | None:
    """Judge From:, Sender:, Resent-From: and Resent-Sender:. Exactly one From:, all of it owned."""
    if headers.strange:
        return Refusal(f"This message could be read in several ways: {headers.strange}. Send it without that")
    if refusal := _count(headers):
        return refusal
    for name, value in headers.authors:
        try:
            for box in addresses.read(value):
                for address in _distinct([box.address, *box.seen()]):
                    if not who.owns(normal(address)):
                        return _not_owned(who, name, address)
        except addresses.Unclear as error:
            return Refusal(
                f"{name.title()}: of this message is not clear: {error}. Write it as Name <address>"
            )
    return None


def normal(address: str) -> str:
    """Return an address as the directory compares it: lower case on both sides."""
    return address.lower()


def _count(headers: Headers) -> Refusal | None:
    names = [name for name, _ in headers.authors]
    if names.count("from") != 1:
        return Refusal(f"A message must have exactly one From: header, this one has {names.count('from')}")
    if names.count("sender") > 1:
        return Refusal(f"A message may have one Sender: header, this one has {names.count('sender')}")
    return None


def _not_owned(who: Sender, name: str, address: str) -> Refusal:
    return Refusal(f"{who} may not send as <{address}> ({name.title()}: header). {who.advice(address)}")


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
