"""What every source of mail comes to: folders with messages in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# RFC 9051 section 2.3.2, without \Recent, which no client can set
SYSTEM_FLAGS = {flag.lower(): flag for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")}
_KEYWORD = re.compile(r"[A-Za-z0-9$_.+:-]{1,50}")  # an atom (RFC 9051 section 9), as long as Dovecot takes


@dataclass(frozen=True)
class Folder:
    """A folder of the source.

    `key`: what the source calls it. `path`: its components in Unicode, INBOX being ("INBOX",). `special`: its
    use (RFC 6154), such as "\\Sent". `count`: messages in it, for the progress.
    """

    key: str
    path: tuple[str, ...]
    count: int
    special: str | None = None
    subscribed: bool = True


@dataclass(frozen=True)
class Message:
    """A message of the source. `key` names it within its folder, as long as the folder's `validity` is the same."""

    key: str
    flags: frozenset[str]
    date: datetime | None  # aware
    size: int  # bytes, about


class Source(Protocol):
    """Where mail comes from. PosthouseError where it cannot be read; `Away` where it may come back."""

    @property
    def name(self) -> str:
        """What tells it from other sources for all time; no secret in it."""

    def folders(self) -> Sequence[Folder]:
        """All folders that can hold mail."""

    def messages(self, folder: Folder) -> tuple[int, Sequence[Message]]:
        """The folder's validity (UIDVALIDITY), and its messages in their order."""

    def contents(self, folder: Folder, messages: Sequence[Message]) -> Iterator[tuple[Message, bytes]]:
        """The bytes of these messages; one that has vanished since is left out."""


def flags(given: Iterable[str]) -> frozenset[str]:
    """Return those flags that a client can set, system flags in their usual spelling."""
    return frozenset(
        SYSTEM_FLAGS.get(flag.lower(), flag)
        for flag in given
        if flag.lower() in SYSTEM_FLAGS or _KEYWORD.fullmatch(flag)
    )


def canonical(data: bytes) -> bytes:
    """Return a message with LF at its line ends and without zero bytes: what is left of it in any store.

    Dovecot keeps lines as LF and gives them out as CRLF; IMAP cannot carry a zero byte (RFC 9051 section 4.3).
    """
    return re.sub(rb"\r*\n", b"\n", data).replace(b"\0", b"\x80")


def digest(data: bytes) -> bytes:
    """Return what tells this content from all others, whatever its line ends are."""
    return hashlib.sha256(canonical(data)).digest()
