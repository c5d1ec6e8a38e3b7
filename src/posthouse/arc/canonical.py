"""What signatures are made over: header fields and bodies in the forms of RFC 6376 section 3.4.

A field is its name and its value as it stands in the message, with what follows the colon, lines ended by CRLF. A body
comes in pieces of any size and is never kept: only its hash is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

Field = tuple[bytes, bytes]

_RUN = re.compile(rb"  +")


def relaxed(field: Field) -> bytes:
    """One field in the relaxed form (section 3.4.2), without CRLF at its end."""
    name, value = field
    return name.strip().lower() + b":" + _narrow(value.replace(b"\r\n", b"")).strip(b" ")


def simple(field: Field) -> bytes:
    """One field as it is (section 3.4.1), without CRLF at its end."""
    return field[0] + b":" + field[1]


def _narrow(text: bytes) -> bytes:
    """One space for each run of spaces and tabs."""
    text = text.replace(b"\t", b" ")
    return _RUN.sub(b" ", text) if b"  " in text else text  # without this question five times as slow


def chosen(fields: Iterable[Field], names: Iterable[bytes]) -> Iterator[Field]:
    """The fields that a list of names (`h=`) stands for: of equal names the lowest first (section 5.4.2)."""
    left: dict[bytes, list[Field]] = {}
    for field in fields:
        left.setdefault(field[0].strip().lower(), []).append(field)
    for name in names:
        if rest := left.get(name.lower()):
            yield rest.pop()


class BodyHash:
    """SHA-256 of a body in one of the two forms; `length`: of so many octets of that form at most (`l=`)."""

    def __init__(self, is_relaxed: bool, length: int | None = None) -> None:
        self._relaxed = is_relaxed
        self._left = length
        self._hash = hashlib.sha256()
        self._ends = 0  # ends of lines that may be the body's last
        self._tail = b""  # what the next piece may change
        self._begun = False

    def update(self, data: bytes) -> None:
        """Take the next piece."""
        text = self._tail + data
        if self._relaxed:
            text = _narrow(text).replace(b" \r\n", b"\r\n")
        kept = len(text) - text.endswith(b"\r")
        if self._relaxed and text[:kept].endswith(b" "):
            kept -= 1
        self._tail, text = text[kept:], text[:kept]
        end = len(text.rstrip(b"\r\n"))
        if text[end:] != b"\r\n" * ((len(text) - end) // 2):  # a bare CR is no end of a line
            end = len(text)
            while text.endswith(b"\r\n", 0, end):
                end -= 2
        if end:
            self._flush(text[:end])
        self._ends += (len(text) - end) // 2

    def _flush(self, text: bytes) -> None:
        while self._ends:
            count = min(self._ends, 32_768)
            self._add(b"\r\n" * count)
            self._ends -= count
        self._add(text)
        self._begun = True

    def _add(self, text: bytes) -> None:
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        self._hash.update(text)

    def digest(self) -> bytes:
        """The hash of all that came; nothing may come after it."""
        rest = self._tail.rstrip(b" ") if self._relaxed else self._tail
        if rest:
            self._flush(self._tail)
        if self._begun or not self._relaxed:
            self._add(b"\r\n")
        return self._hash.digest()
