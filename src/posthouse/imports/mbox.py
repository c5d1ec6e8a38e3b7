"""An mbox file: messages one after the other, each behind a line `From sender date` (RFC 4155).

mboxrd and mboxo are read (a `>` is taken from lines that begin with `>From `), and files with Content-Length, whose
bodies are quoted all the same. What a mail program keeps in the header for itself is made flags, and taken out:
Status, X-Status and X-Keywords (Dovecot, UW, mutt), X-Mozilla-Status (Thunderbird).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from typing import IO

from posthouse.imports import mail
from posthouse.imports.mail import Folder, Message
from posthouse.imports.tree import open_file

# A line of a body may begin with "From " too, where a program did not quote it: a real one has a time in it, or
# nothing but an address.
_FROM = re.compile(rb"From (\S+\s.*\d\d?:\d\d.*|- .*\d\d?:\d\d.*|\S+@\S+|-|MAILER-DAEMON)\s*")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_OWN = frozenset(
    b"status x-status x-keywords x-uid x-imap x-imapbase content-length x-mozilla-status x-mozilla-status2"
    b" x-mozilla-keys".split()
)
_STATUS = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "T": "\\Draft", "D": "\\Deleted"}
_MOZILLA = {0x1: "\\Seen", 0x2: "\\Answered", 0x4: "\\Flagged", 0x1000: "$Forwarded"}
_MOZILLA_GONE = 0x8  # deleted, and only not compacted yet
_INTERNAL = b"FOLDER INTERNAL DATA"


@dataclass(frozen=True)
class Letter:
    """A message of the file: its own bytes, flags, and the date of its `From ` line."""

    data: bytes
    flags: frozenset[str]
    date: datetime | None


def parse(lines: Iterable[bytes]) -> Iterator[Letter]:
    """Give the messages of a file, line by line (each with its end), without those that are only its own notes."""
    head = b""
    held: list[bytes] = []
    blank = True
    begun = False
    for line in lines:
        if blank and (_FROM.fullmatch(line) if begun else line.startswith(b"From ")):
            if begun:
                yield from _letter(head, held)
            head, held, begun = line, [], True
        elif begun:
            held.append(line)
        blank = not line.strip(b"\r\n")
    if begun:
        yield from _letter(head, held)


def _letter(head: bytes, lines: list[bytes]) -> Iterator[Letter]:
    if sum(not line.strip(b"\r\n") for line in lines) > 1 and not lines[-1].strip(b"\r\n"):
        lines = lines[:-1]  # the empty line before the next one's
    kept: list[bytes] = []
    own: dict[bytes, bytes] = {}
    rest = iter(lines)
    taking = False
    for line in rest:
        if not line.strip(b"\r\n"):
            kept.append(line)
            break
        if not line[:1].isspace():
            name = line.partition(b":")[0].strip().lower()
            taking = name in _OWN
            if taking:
                own[name] = line.partition(b":")[2].strip()
        if not taking:
            kept.append(line)
    body = b"".join(rest)
    found = _flags(own)
    data = b"".join(kept) + _QUOTED.sub(rb"\1", body)
    internal = b"x-imap" in own and _INTERNAL in data
    if found is not None and not internal and data.strip():
        yield Letter(data, found, _date(head))


def _flags(own: dict[bytes, bytes]) -> frozenset[str] | None:
    """The flags; None for a message that its program had deleted."""
    signs = (own.get(b"status", b"") + own.get(b"x-status", b"")).decode("ascii", "replace")
    found = [_STATUS[sign] for sign in signs if sign in _STATUS]
    found += own.get(b"x-keywords", b"").decode("ascii", "replace").split()
    found += own.get(b"x-mozilla-keys", b"").decode("ascii", "replace").split()
    try:
        bits = int(own.get(b"x-mozilla-status", b"0"), 16)
    except ValueError:
        bits = 0
    if bits & _MOZILLA_GONE:
        return None
    found += [flag for bit, flag in _MOZILLA.items() if bits & bit]
    return mail.flags(found)


def _date(head: bytes) -> datetime | None:
    """The date behind the sender, in UTC unless it says otherwise (RFC 4155 appendix A)."""
    words = head.decode("ascii", "replace").split(maxsplit=2)
    parsed = parsedate_tz(words[2]) if len(words) > 2 else None
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(mktime_tz(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None


class Mboxes:
    """A source: mbox files, each a folder. `files`: path and the folder's path here."""

    def __init__(self, files: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self._files = {"/".join(path): (file, path) for file, path in files}
        self._reading: dict[str, Iterator[tuple[Message, bytes]]] = {}
        self.name = "mbox"

    def folders(self) -> Sequence[Folder]:
        """Every file, with the number of its messages."""
        return [
            Folder(key, path, sum(1 for _ in self._letters(key))) for key, (_, path) in self._files.items()
        ]

    def messages(self, folder: Folder) -> tuple[int, Sequence[Message]]:
        """A message's key is its content, and its number among equal ones: a file that grew stays known."""
        self._reading.pop(folder.key, None)
        return 0, [message for message, _ in self._keyed(folder.key)]

    def contents(self, folder: Folder, messages: Sequence[Message]) -> Iterator[tuple[Message, bytes]]:
        """Goes on in the file where the last call stopped: messages are asked for in their order."""
        wanted = {message.key for message in messages}
        reading = self._reading.setdefault(folder.key, self._keyed(folder.key))
        while wanted:
            message, data = next(reading, (None, b""))
            if message is None:
                return
            if message.key in wanted:
                wanted.discard(message.key)
                yield message, data

    def _keyed(self, key: str) -> Iterator[tuple[Message, bytes]]:
        seen: Counter[str] = Counter()
        for letter in self._letters(key):
            name = hashlib.sha256(mail.canonical(letter.data)).hexdigest()
            seen[name] += 1
            yield Message(f"{name}:{seen[name]}", letter.flags, letter.date, len(letter.data)), letter.data

    def _letters(self, key: str) -> Iterator[Letter]:
        with open_file(self._files[key][0]) as stream:
            yield from parse(stream)


def is_mbox(stream: IO[bytes]) -> bool:
    """Tell whether a file is one, by its first line; an empty one is."""
    first = stream.readline(4096)
    return first == b"" or first.startswith(b"From ")
