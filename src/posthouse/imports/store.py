"""A local mailbox, written through Dovecot: its `imap` program, which root may start as any account.

The same code, quota, indexes and locks as for the account's own clients, on Dovecot 2.3 and 2.4, whatever the mail's
format; nobody's password is needed, and the service can go on.
"""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from posthouse.errors import PosthouseError
from posthouse.host.beside import conversing
from posthouse.imports.imap_client import Connected, told
from posthouse.imports.mail import Message, canonical, digest

_MANY = 500  # UIDs in a command
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # a Maildir keeps the date as the file's mtime


class Refused(PosthouseError):
    """The mailbox does not take a message."""


@dataclass(frozen=True)
class State:
    """A local folder: UIDVALIDITY, and the UID that the next message gets."""

    validity: int
    uidnext: int


class Store:
    """One account's mailbox."""

    def __init__(self, client: IMAPClient, account: str) -> None:
        self._client = client
        self._account = account
        self._selected: str | None = None
        with told(account):
            listed = [(flags, sep, name) for flags, sep, name in client.list_folders()]
        self.separator = next((_word(sep) for _, sep, _ in listed if sep), ".")
        self._there = {str(name) for _, _, name in listed}
        self.special = self._special()

    def make(self, folder: str, subscribe: bool) -> None:
        """Make a folder where it is missing, and subscribe to it. PosthouseError where the name is refused."""
        with told(f"{self._account}, folder {folder}"):
            if folder not in self._there and folder != "INBOX":
                self._client.create_folder(folder)
                self._there.add(folder)
            if subscribe:
                self._client.subscribe_folder(folder)

    def select(self, folder: str) -> State:
        """Open a folder; what follows is about it."""
        with told(f"{self._account}, folder {folder}"):
            answer = self._client.select_folder(folder)
        self._selected = folder
        return State(int(answer[b"UIDVALIDITY"]), int(answer[b"UIDNEXT"]))

    def uids(self) -> set[int]:
        """The UIDs of all messages."""
        with told(self._account):
            return set(self._client.search("ALL"))

    def digests(self, uids: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """The digests of messages, by UID."""
        for some in _parts(sorted(uids), 20):
            with told(self._account):
                answer = self._client.fetch(some, ["BODY.PEEK[]"])
            for uid, data in answer.items():
                yield uid, digest(data[b"BODY[]"])

    def append(self, messages: Sequence[tuple[Message, bytes]]) -> list[int]:
        """Put messages into the folder in one transaction, all or none; return their UIDs.

        Raises:
            Refused: the mailbox is full, or a message cannot be stored.
            Away: the connection broke; it is not known whether they are there.
        """
        assert self._selected is not None
        given = [
            {
                "msg": canonical(data).replace(b"\n", b"\r\n"),
                "flags": sorted(message.flags),
                "date": max(message.date or datetime.now(UTC), _EARLIEST),
            }
            for message, data in messages
        ]
        with told(self._account):
            try:
                answer = self._client.multiappend(self._selected, given)
            except IMAPClientError as error:
                raise self._refused(str(error)) from error
            kind, data = answer
            said = b" ".join(part for part in data if isinstance(part, bytes)).decode(errors="replace")
            if kind != "OK":
                raise self._refused(said)
        found = re.search(r"\[APPENDUID \d+ ([\d:,]+)\]", said)
        uids = _range(found[1]) if found else []
        if len(uids) != len(messages):
            raise PosthouseError(f"{self._account}: expected {len(messages)} UIDs, found {said[:200]!r}")
        return uids

    def change(self, uids: Sequence[int], add: frozenset[str], take: frozenset[str]) -> None:
        """Set and take away flags."""
        for some in _parts(uids, _MANY):
            with told(self._account):
                if add:
                    self._client.add_flags(some, sorted(add), silent=True)
                if take:
                    self._client.remove_flags(some, sorted(take), silent=True)

    def remove(self, uids: Sequence[int]) -> None:
        """Delete messages for good."""
        for some in _parts(uids, _MANY):
            with told(self._account):
                self._client.add_flags(some, ["\\Deleted"], silent=True)
                self._client.uid_expunge(some)

    def _refused(self, said: str) -> Refused:
        hint = None
        if "OVERQUOTA" in said or "quota" in said.lower():
            hint = f"Give more room (posthouse user change {self._account} --quota SIZE), and say the same again."
        return Refused(f"{self._account}, folder {self._selected}: not taken: {said[:300]}", hint)

    def _special(self) -> Mapping[str, str]:
        with told(self._account):
            return special_folders(self._client)


def special_folders(client: IMAPClient) -> dict[str, Any]:
    """Return the folder of each use that a server tells (RFC 6154): "\\Sent": "Sent"."""
    if not client.has_capability("SPECIAL-USE"):
        return {}
    kind, data = client._imap._simple_command("LIST", "(SPECIAL-USE)", '""', '"*"')
    client._checkok("LIST", kind, data)
    answer = client._proc_folder_list(client._imap._untagged_response(kind, data, "LIST")[1])
    found: dict[str, Any] = {}
    for flags, _, name in answer:
        for flag in flags:
            found.setdefault(_word(flag), name)
    return found


@contextmanager
def opened(account: str) -> Iterator[Store]:
    """Open the mailbox of an account, as root.

    Raises:
        PosthouseError: Dovecot does not know the account, or does not run.
    """
    with conversing(("/usr/bin/doveadm", "exec", "imap", "-u", account)) as (program, sock, answers):
        try:
            client = Connected(sock, answers)
        except (imaplib.IMAP4.error, OSError) as error:
            raise program.failed(f"did not open the mailbox of {account}") from error
        yield Store(client, account)
        with told(account):
            client.logout()


def _word(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _parts(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _range(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found
