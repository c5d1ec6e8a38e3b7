"""A mailbox at any IMAP server, read only (EXAMINE, BODY.PEEK)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import LoginError
from imapclient.imap_utf7 import decode

from posthouse.errors import PosthouseError, UsageError
from posthouse.imports import imap_client, mail
from posthouse.imports.imap_client import Away, told
from posthouse.imports.mail import Folder, Message
from posthouse.imports.store import special_folders

_MANY = 2000  # messages in a listing's part
# every mail once more (Gmail): not folders but views
VIEWS = ("\\All", "\\Flagged", "\\Important")


class Tls(Enum):
    """How the connection is protected."""

    IMAPS = "imaps"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True)
class Server:
    """Where to log in. `ca_file`: certificates to trust instead of the system's; `prefix`: of folder names, None: as
    the server says (NAMESPACE, RFC 2342).
    """

    host: str
    port: int
    tls: Tls = Tls.IMAPS
    ca_file: Path | None = None
    prefix: str | None = None
    views: bool = False


@dataclass(frozen=True)
class Login:
    """Whose mailbox."""

    user: str
    password: str = field(repr=False)


class Remote:
    """The source: one login at one server."""

    def __init__(self, client: IMAPClient, server: Server, login: Login) -> None:
        self._client = client
        self._server = server
        self._raw: dict[str, bytes] = {}
        self.name = f"imap:{login.user}@{server.host}"
        self._who = f"{login.user} at {server.host}"

    def folders(self) -> Sequence[Folder]:
        """All folders of its own namespace that can be opened, with the number of their messages."""
        with told(self._who):
            listed = self._client.list_folders()
            subscribed = {bytes(name) for _, _, name in self._client.list_sub_folders()}
            special = {name: use for use, name in special_folders(self._client).items()}
            prefix, foreign = self._namespaces([bytes(name) for _, _, name in listed])
        found = []
        for flags, separator, raw in listed:
            name, said = bytes(raw), {_word(flag).lower() for flag in flags}
            use = special.get(name) or next((u for u in _USES if u.lower() in said), None)
            if said & {"\\noselect", "\\nonexistent"} or (use in VIEWS and not self._server.views):
                continue
            text = _text(name)
            if text.upper() != "INBOX" and any(text.startswith(other) for other in foreign):
                continue
            count = self._size(name)
            self._raw[text] = name
            path = _path(text, _word(separator) if separator else None, prefix)
            found.append(Folder(text, path, count, None if use in VIEWS else use, name in subscribed))
        return found

    def _size(self, name: bytes) -> int:
        """The number of messages, for the progress; a folder that cannot be opened is told when it is."""
        try:
            with told(self._who):
                return int(self._client.folder_status(name, ["MESSAGES"])[b"MESSAGES"])
        except Away:
            raise
        except PosthouseError:
            return 0

    def messages(self, folder: Folder) -> tuple[int, Sequence[Message]]:
        """Its UIDVALIDITY and its messages, by UID."""
        with told(f"{self._who}, folder {folder.key}"):
            opened = self._client.select_folder(self._raw[folder.key], readonly=True)
            uids = self._client.search("ALL") if opened[b"EXISTS"] else []
            found = []
            for start in range(0, len(uids), _MANY):
                part = uids[start : start + _MANY]
                answer = self._client.fetch(part, ["FLAGS", "INTERNALDATE", "RFC822.SIZE"])
                found += [_message(uid, answer[uid]) for uid in part if uid in answer]
        return int(opened.get(b"UIDVALIDITY", 0)), found

    def contents(self, folder: Folder, messages: Sequence[Message]) -> Iterator[tuple[Message, bytes]]:
        """The messages of the folder that was listed last."""
        with told(f"{self._who}, folder {folder.key}"):
            answer = self._client.fetch([int(message.key) for message in messages], ["BODY.PEEK[]"])
        for message in messages:
            data = answer.get(int(message.key), {}).get(b"BODY[]")
            if data is not None:
                yield message, data

    def _namespaces(self, listed: Sequence[bytes]) -> tuple[str, list[str]]:
        """The prefix of the login's own folders, and those of other people's."""
        own, foreign = "", list[str]()
        if self._client.has_capability("NAMESPACE"):
            spaces = self._client.namespace()
            own = _name(spaces.personal[0][0]) if spaces.personal else ""
            foreign = [
                _name(one[0]) for kind in (spaces.other, spaces.shared) for one in kind or () if one[0]
            ]
        elif len(listed) > 1 and all(name[:5].upper() == b"INBOX" for name in listed):
            rest = next((name for name in listed if len(name) > 6), b"")
            own = _text(rest[:6])
        return (own if self._server.prefix is None else self._server.prefix), foreign


_USES = ("\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive", *VIEWS)


@contextmanager
def opened(server: Server, login: Login) -> Iterator[Remote]:
    """Connect, with a verified certificate, and log in.

    Raises:
        UsageError: the certificate is not trusted, or the login is refused.
        Away: there is no connection.
    """
    who = f"{login.user} at {server.host}"
    client = _connected(server)
    try:
        imap_client.quiet(client)
        client.folder_encode = False
        try:
            with told(who):
                if client.has_capability("AUTH=PLAIN"):
                    client.plain_login(login.user, login.password)
                else:
                    client.login(login.user, login.password)
        except PosthouseError as error:
            if isinstance(error.__cause__, LoginError):
                raise UsageError(
                    f"{who}: the login is refused: {imap_client.text(error.__cause__)}",
                    "Check user name and password; some providers want a password made for this.",
                ) from error
            raise
        yield Remote(client, server, login)
    finally:
        _leave(client)


def _connected(server: Server) -> IMAPClient:
    context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    where = f"{server.host} port {server.port}"
    try:
        with told(where):
            client = IMAPClient(
                server.host,
                server.port,
                ssl=server.tls is Tls.IMAPS,
                ssl_context=context,
                timeout=imap_client.PATIENCE,
            )
            if server.tls is Tls.STARTTLS:
                client.starttls(context)
            return client
    except Away as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise UsageError(
                f"{where}: its certificate is not trusted: {error.__cause__.verify_message}",
                "Name the host as its certificate does, or give its authority: --ca-file FILE",
            ) from error
        raise


def _leave(client: IMAPClient) -> None:
    try:
        client.logout()
    except Exception:
        with suppress(OSError):
            client.shutdown()


def _path(name: str, separator: str | None, prefix: str) -> tuple[str, ...]:
    if name.upper() == "INBOX":
        return ("INBOX",)
    if prefix and name.startswith(prefix) and name != prefix:
        name = name[len(prefix) :]
    parts = name.split(separator) if separator else [name]
    return tuple(part for part in parts if part) or (name,)


def _message(uid: int, answer: dict[bytes, Any]) -> Message:
    date = answer.get(b"INTERNALDATE")
    return Message(
        str(uid),
        mail.flags(_word(flag) for flag in answer.get(b"FLAGS", ())),
        date if isinstance(date, datetime) else None,
        int(answer.get(b"RFC822.SIZE") or 0),
    )


def _text(name: bytes) -> str:
    """A folder's name from modified UTF-7 (RFC 3501 section 5.1.3); other bytes as they are."""
    try:
        return str(decode(name))
    except Exception:
        return name.decode("utf-8", errors="replace")


def _name(value: bytes | str) -> str:
    return _text(value.encode() if isinstance(value, str) else value)


def _word(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
