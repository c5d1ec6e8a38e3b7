"""A Maildir, or a tree of them: Maildir++ (`.Sent`, `.Lists.One`), or folders within folders.

https://cr.yp.to/proto/maildir.html; Dovecot's keywords (`dovecot-keywords`) and subscriptions, Courier's too. The
date of a message is its file's.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from imapclient.imap_utf7 import decode

from posthouse.errors import UsageError
from posthouse.imports import mail
from posthouse.imports.mail import Folder, Message
from posthouse.imports.tree import entries, open_file

_LETTERS = {
    "D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted",
}  # fmt: skip
_GZIP = b"\x1f\x8b"
_OTHER = {b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz"}  # of Dovecot's mail_compress


class Maildirs:
    """A source: the tree below `root`."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") or "/"
        self._paths: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self.name = f"maildir:{Path(self._root).resolve()}"
        if not any(_is_maildir(path) for path in (self._root, *(e.path for e in entries(self._root)))):
            raise UsageError(
                f"{root}: no Maildir: there is no cur/ in it", "Name the folder that has cur/ and new/."
            )

    def folders(self) -> Sequence[Folder]:
        """Every Maildir of the tree, with the number of its messages."""
        subscribed = self._subscriptions()
        found = []
        for place, path in self._walk(self._root, ()):
            key = "/".join(path)
            self._paths[key] = place
            wanted = path == ("INBOX",) or not subscribed or path in subscribed
            found.append(Folder(key, path, len(self._list(place)), None, wanted))
        return found

    def messages(self, folder: Folder) -> tuple[int, Sequence[Message]]:
        """A message's key is its file's name without the flags."""
        place = self._paths[folder.key]
        keywords = _keywords(place)
        found = []
        for key, path in self._list(place).items():
            self._files[f"{folder.key}\0{key}"] = path
            try:
                about = Path(path).lstat()
            except FileNotFoundError:
                continue  # moved by a mail program meanwhile: the next run sees it
            date = datetime.fromtimestamp(about.st_mtime, UTC)
            found.append(Message(key, flags(Path(path).name, keywords), date, about.st_size))
        return 0, found

    def contents(self, folder: Folder, messages: Sequence[Message]) -> Iterator[tuple[Message, bytes]]:
        """The files as they are; those that Dovecot compressed with gzip, unpacked."""
        for message in messages:
            path = self._files[f"{folder.key}\0{message.key}"]
            if not Path(path).exists():
                path = self._list(self._paths[folder.key]).get(message.key, "")
                if not path:
                    continue
            with open_file(path) as stream:
                data = stream.read()
            yield message, _unpacked(path, data)

    def _walk(self, place: str, path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        if _is_maildir(place):
            yield place, path or ("INBOX",)
        for entry in entries(place):
            if not entry.is_dir() or entry.name in ("cur", "new", "tmp"):
                continue
            if entry.name.startswith("."):
                if _is_maildir(entry.path) and not path:
                    parts = tuple(_name(part) for part in entry.name[1:].split(".") if part)
                    yield entry.path, parts
            else:
                yield from self._walk(entry.path, (*path, _name(entry.name)))

    def _list(self, place: str) -> dict[str, str]:
        return {
            entry.name.partition(":2,")[0]: entry.path
            for part in ("new", "cur")
            for entry in entries(f"{place}/{part}")
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith(".")
        }

    def _subscriptions(self) -> set[tuple[str, ...]]:
        for name in ("subscriptions", "courierimapsubscribed"):
            try:
                with open_file(f"{self._root}/{name}") as stream:
                    lines = stream.read().decode(errors="replace").splitlines()
            except UsageError:
                continue
            return {_subscribed(line) for line in lines if line and not line.startswith("V\t")}
        return set()


def flags(name: str, keywords: dict[str, str]) -> frozenset[str]:
    """Return the flags in a file's name; `keywords` are those of the folder, by their letter."""
    found = re.search(r":2,([A-Za-z]*)", name)
    letters = found[1] if found else ""
    return mail.flags(flag for letter in letters if (flag := _LETTERS.get(letter) or keywords.get(letter)))


def _keywords(place: str) -> dict[str, str]:
    """Dovecot's names of the letters a to z: lines of `number name`."""
    try:
        with open_file(f"{place}/dovecot-keywords") as stream:
            lines = stream.read().decode(errors="replace").splitlines()
    except UsageError:
        return {}
    pairs = (line.partition(" ") for line in lines)
    return {
        chr(ord("a") + int(number)): name for number, _, name in pairs if re.fullmatch(r"1?\d|2[0-5]", number)
    }


def _subscribed(line: str) -> tuple[str, ...]:
    """A line of Dovecot's file (version 2 has tabs between components) or of Courier's."""
    parts = line.split("\t") if "\t" in line else re.split(r"[./]", line)
    named = tuple(_name(part) for part in parts if part)
    return named[1:] if len(named) > 1 and named[0].upper() == "INBOX" else named


def _is_maildir(place: str) -> bool:
    return all(
        (Path(place) / part).is_dir() and not (Path(place) / part).is_symlink() for part in ("cur", "new")
    )


def _name(text: str) -> str:
    """A folder's name from modified UTF-7; one that is UTF-8 already stays."""
    try:
        return str(decode(text.encode("ascii")))
    except Exception:
        return text


def _unpacked(path: str, data: bytes) -> bytes:
    if data.startswith(_GZIP):
        try:
            return gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise UsageError(
                f"{path}: it begins as a gzip file and is none", "Take it out of the tree."
            ) from error
    for sign, what in _OTHER.items():
        if data.startswith(sign):
            raise UsageError(
                f"{path}: it is compressed with {what}, which is not read here",
                "Copy the tree out of its server with `doveadm backup`, uncompressed.",
            )
    return data
