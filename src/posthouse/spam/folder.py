"""A local folder as the filter is taught it, and a message looked for by its Message-ID; nothing is changed.

Through Dovecot's own `imap` program, as imports do: the same on 2.3 and 2.4, whatever the mail's format.
"""

from __future__ import annotations

import email
import email.policy
import imaplib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.message import Message

from posthouse.errors import PosthouseError, UsageError
from posthouse.host.beside import conversing
from posthouse.imports.imap_client import Connected, told

_AT_ONCE = 10  # messages fetched in a command


class Mailbox:
    """One account's mailbox, to be read only."""

    def __init__(self, client: Connected, account: str) -> None:
        self._client = client
        self._account = account

    def open(self, folder: str) -> int:
        """Open a folder and return its UIDVALIDITY. UsageError: there is none of this name."""
        with told(self._account):
            names = [str(name) for _, _, name in self._client.list_folders()]
            if folder not in names:
                known = ", ".join(sorted(names))
                raise UsageError(f"{self._account} has no folder {folder!r}", f"There are: {known}")
            return int(self._client.select_folder(folder, readonly=True)[b"UIDVALIDITY"])

    def uids(self) -> list[int]:
        """The UIDs of all messages that are not marked as deleted, in order."""
        with told(self._account):
            return sorted(self._client.search("UNDELETED"))

    def messages(self, uids: list[int]) -> Iterator[tuple[int, bytes]]:
        """Messages by UID; what vanished meanwhile is left out."""
        for start in range(0, len(uids), _AT_ONCE):
            with told(self._account):
                answer = self._client.fetch(uids[start : start + _AT_ONCE], ["BODY.PEEK[]"])
            for uid in sorted(answer):
                if b"BODY[]" in answer[uid]:
                    yield uid, answer[uid][b"BODY[]"]

    def find(self, message_id: str) -> Iterator[tuple[str, Message]]:
        """The headers of messages with this Message-ID, with their folder."""
        with told(self._account):
            names = [
                str(name) for flags, _, name in self._client.list_folders() if b"\\Noselect" not in flags
            ]
        for folder in sorted(names, key=lambda name: (name not in ("INBOX", "Junk"), name)):
            with told(f"{self._account}, folder {folder}"):
                self._client.select_folder(folder, readonly=True)
                found = self._client.search(["HEADER", "Message-ID", message_id])
                answer = self._client.fetch(found, ["BODY.PEEK[HEADER]"]) if found else {}
            for uid in sorted(answer):
                yield folder, headers(answer[uid][b"BODY[HEADER]"])


@contextmanager
def opened(account: str) -> Iterator[Mailbox]:
    """Open the mailbox of an account, as root.

    Raises:
        PosthouseError: Dovecot does not know the account, or does not run.
    """
    with conversing(("/usr/bin/doveadm", "exec", "imap", "-u", account)) as (program, sock, answers):
        try:
            client = Connected(sock, answers)
        except (imaplib.IMAP4.error, OSError) as error:
            raise program.failed(f"did not open the mailbox of {account}") from error
        yield Mailbox(client, account)
        with told(account):
            client.logout()


def headers(data: bytes) -> Message:
    """Return the headers of a message, or of its beginning."""
    return email.message_from_bytes(data, policy=email.policy.compat32)


def first_with(found: Iterable[tuple[str, Message]], name: str) -> tuple[str, Message]:
    """Return the first message that has a header, else the first one. PosthouseError: there is none."""
    every = list(found)
    if not every:
        raise PosthouseError(
            "there is no message with this Message-ID",
            "It stands in the message's source, between < and >. Moved to another account, or deleted?",
        )
    return next((one for one in every if one[1].get(name) is not None), every[0])
