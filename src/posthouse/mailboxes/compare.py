"""Two places of an account's mail, compared by what an IMAP client sees of them.

Every folder with UIDVALIDITY and UIDNEXT, every message with UID, GUID, flags, keywords, date and all of its text
(by digest), and the subscriptions. So a client that knew the one finds the other unchanged (RFC 9051 section 2.3).
"""

from __future__ import annotations

import hashlib
import imaplib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from posthouse.host.pipes import Pipes
from posthouse.mailboxes.dovecot import Store, imap

Message = tuple[bytes, frozenset[bytes], bytes]  # GUID, flags and keywords, INTERNALDATE
Known = dict[bytes, set[int]]  # folder -> UIDs whose text was found equal already

_CHUNK = 200  # messages whose texts are asked for at once
_CHUNK_BYTES = 32 << 20
_LISTED = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?:[^"\\]|\\.)*"|NIL) (?P<name>.*)', re.DOTALL)
_FETCHED = re.compile(
    rb"UID (\d+) FLAGS \(([^)]*)\) INTERNALDATE \"([^\"]*)\" RFC822\.SIZE (\d+) X-GUID (.*)\)"
)


@dataclass(frozen=True)
class Folder:
    """What a client sees of a folder, but for the texts; `sizes` in bytes, by UID."""

    uidvalidity: int
    uidnext: int
    highestmodseq: int
    messages: Mapping[int, Message]
    sizes: Mapping[int, int]


class _Client(imaplib.IMAP4):
    """imaplib on a program's pipes instead of a socket."""

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        self.host, self.port = "", 0

    def read(self, size: int) -> bytes:
        return self._pipes.stdout.read(size)

    def readline(self) -> bytes:
        return self._pipes.stdout.readline()

    def send(self, data: bytes) -> None:  # type: ignore[override]
        self._pipes.stdin.write(data)
        self._pipes.stdin.flush()

    def shutdown(self) -> None:
        pass  # the pipes are their opener's


class View:
    """One place, as a client sees it."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def folders(self) -> dict[bytes, Folder]:
        """Return every folder that can be selected, by its name as the server spells it (modified UTF-7)."""
        names = [
            name
            for flags, name in _listed(self._ask("list", '""', '"*"'))
            if not {b"\\noselect", b"\\nonexistent"} & set(flags.lower().split())
        ]
        return {name: self._folder(name) for name in names}

    def subscriptions(self) -> set[bytes]:
        """Return the names of all folders that are subscribed, whether they exist or not."""
        return {name for _, name in _listed(self._ask("lsub", '""', '"*"'))}

    def digests(self, folder: bytes, uids: Iterable[int]) -> dict[int, bytes]:
        """Return the digest of each message's whole text; what was expunged meanwhile is missing."""
        self._select(folder)
        found = {}
        for part in self._ask("uid", "FETCH", ",".join(str(uid) for uid in uids), "(UID BODY.PEEK[])"):
            if isinstance(part, tuple) and (match := re.search(rb"UID (\d+)", part[0])):
                found[int(match[1])] = hashlib.blake2b(part[1]).digest()
        return found

    def _folder(self, name: bytes) -> Folder:
        self._select(name)
        messages, sizes = {}, {}
        asked = "(UID FLAGS INTERNALDATE RFC822.SIZE X-GUID)"
        for part in self._ask("uid", "FETCH", "1:*", asked):
            if (match := _FETCHED.search(_joined(part))) is None:
                continue  # flags that changed meanwhile, or the empty answer of an empty folder
            uid, flags, date, size, guid = match.groups()
            shown = frozenset(flag for flag in flags.split() if flag != b"\\Recent")
            messages[int(uid)] = (guid.strip(b'"'), shown, date)
            sizes[int(uid)] = int(size)
        # None is said of an index that keeps no mod-sequences yet; it will begin with 1 (RFC 7162, section 3.1.1).
        modseq = max(1, self._said("HIGHESTMODSEQ"))
        return Folder(self._said("UIDVALIDITY"), self._said("UIDNEXT"), modseq, messages, sizes)

    def _select(self, folder: bytes) -> None:
        quoted = b'"' + folder.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        self._client.untagged_responses.clear()
        self._ask("select", quoted.decode("ascii"), True)

    def _said(self, code: str) -> int:
        _, (value, *_) = self._client.response(code)
        return int(value or 0)

    def _ask(self, command: str, *arguments: object) -> list[bytes | tuple[bytes, bytes]]:
        status, data = getattr(self._client, command)(*arguments)
        if status != "OK":
            raise imaplib.IMAP4.error(f"{command} {arguments}: {data!r}")
        return [part for part in data if part is not None]


@contextmanager
def view(store: Store) -> Iterator[View]:
    """Look at a place; `dovecot.configured` was called for it. imaplib.IMAP4.error where that fails."""
    with imap(store) as pipes:
        client = _Client(pipes)
        yield View(client)
        client.logout()


def differences(one: View, other: View, known: Known) -> list[str]:
    """Return what differs, in words, the first of each kind and folder; `known` texts are not read again."""
    found: list[str] = []
    ours, theirs = one.folders(), other.folders()
    if ours.keys() != theirs.keys():
        found.append(f"folders {_names(ours.keys() ^ theirs.keys())}")
    for name in ours.keys() & theirs.keys():
        found += [f"{_name(name)}: {what}" for what in _folder_differences(ours[name], theirs[name])]
        found += [
            f"{_name(name)}: the text of message {uid}"
            for uid in texts(one, other, name, ours[name], theirs[name], known)[:1]
        ]
    if subscribed := one.subscriptions() ^ other.subscriptions():
        found.append(f"subscriptions of {_names(subscribed)}")
    return found


def _folder_differences(ours: Folder, theirs: Folder) -> list[str]:
    found = []
    if ours.uidvalidity != theirs.uidvalidity:
        found.append(f"UIDVALIDITY {ours.uidvalidity} and {theirs.uidvalidity}")
    if ours.uidnext != theirs.uidnext:
        found.append(f"UIDNEXT {ours.uidnext} and {theirs.uidnext}")
    if theirs.highestmodseq < ours.highestmodseq:
        found.append(f"HIGHESTMODSEQ {ours.highestmodseq} and {theirs.highestmodseq}")
    if ours.messages.keys() != theirs.messages.keys():
        found.append(f"message {min(ours.messages.keys() ^ theirs.messages.keys())} is in one only")
    both = ours.messages.keys() & theirs.messages.keys()
    for what, index in (("the GUID", 0), ("the flags", 1), ("the date", 2)):
        unlike = [uid for uid in both if ours.messages[uid][index] != theirs.messages[uid][index]]
        if unlike:
            found.append(f"{what} of message {min(unlike)}")
    return found


def texts(one: View, other: View, name: bytes, ours: Folder, theirs: Folder, known: Known) -> list[int]:
    """Compare the texts of messages that both have and that are not `known`; return the UIDs that differ.

    Equal ones become known. One that is expunged meanwhile is neither.
    """
    seen, unlike = known.setdefault(name, set()), []
    new = sorted((ours.messages.keys() & theirs.messages.keys()) - seen)
    for uids in _chunks(new, ours.sizes):
        left, right = one.digests(name, uids), other.digests(name, uids)
        unlike += [uid for uid in left.keys() & right.keys() if left[uid] != right[uid]]
        seen |= {uid for uid in left.keys() & right.keys() if left[uid] == right[uid]}
    return sorted(unlike)


def read_beforehand(one: View, other: View, known: Known, progress: Callable[[int, int], None]) -> None:
    """Make all texts that are equal now known, so that little is left to read under a lock."""
    ours, theirs = one.folders(), other.folders()
    for done, name in enumerate(sorted(ours.keys() & theirs.keys()), start=1):
        texts(one, other, name, ours[name], theirs[name], known)
        progress(done, len(ours))


def _chunks(uids: list[int], sizes: Mapping[int, int]) -> Iterator[list[int]]:
    chunk: list[int] = []
    weight = 0
    for uid in uids:
        if chunk and (len(chunk) >= _CHUNK or weight + sizes[uid] > _CHUNK_BYTES):
            yield chunk
            chunk, weight = [], 0
        chunk.append(uid)
        weight += sizes[uid]
    if chunk:
        yield chunk


def _listed(answer: list[bytes | tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Flags and name of each line of LIST or LSUB; a name comes plain, quoted, or as a literal."""
    for part in answer:
        match = _LISTED.match(part[0] if isinstance(part, tuple) else part)
        if match is None:
            continue  # what ends a literal
        name = part[1] if isinstance(part, tuple) else match["name"]
        if not isinstance(part, tuple) and name.startswith(b'"'):
            name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
        yield match["flags"], name


def _joined(part: bytes | tuple[bytes, bytes]) -> bytes:
    """A line of FETCH; a GUID that came as a literal is put where it belongs."""
    if isinstance(part, tuple):
        return re.sub(rb"\{\d+\}$", b"", part[0]) + part[1] + b")"
    return part


def _name(name: bytes) -> str:
    return name.decode("ascii", "replace")


def _names(names: Iterable[bytes]) -> str:
    return ", ".join(sorted(_name(name) for name in names))
