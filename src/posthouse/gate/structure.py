"""Whether a message is beyond the bounds, told while it comes in: nothing is kept of it but where we are.

MIME (RFC 2046) is read as SpamAssassin does, so that what costs it time is what is counted here. A part that is encoded
is not looked into: what is in there is text to SpamAssassin, too, or costs it the time that it is given.
"""

from __future__ import annotations

import re

from posthouse import bounds

LINE = 4096  # bytes of a line that are looked at; SMTP's have 1000 (RFC 5321 section 4.5.3.1.6)
_MULTIPART = re.compile(rb"\s*multipart/", re.IGNORECASE)
_MESSAGE = re.compile(rb"\s*message/(?:rfc822|global|partial|external-body)\b", re.IGNORECASE)
_BOUNDARY = re.compile(rb";\s*boundary\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]+))", re.IGNORECASE | re.DOTALL)


class Structure:
    """One message on its way in. `beyond` is the reason to refuse it, as soon as there is one."""

    def __init__(self) -> None:
        self.beyond: str | None = None
        self._fields = 0
        self._size = 0
        self._parts = 1
        self._open: list[bytes | None] = []  # boundaries of the multiparts that we are in; None: a message
        self._in_header = False  # of a part
        self._kind = b""  # the Content-Type of the header that we are in
        self._folded = False  # whether the line before belongs to it
        self._rest = b""  # of a line that has not ended yet

    @property
    def has_parts(self) -> bool:
        """Whether the body needs to be looked at."""
        return bool(self._open)

    def field(self, name: bytes, value: bytes) -> None:
        """Take a field of the message's own header."""
        self._fields += 1
        self._size += len(name) + len(value) + 3
        if name.strip().lower() == b"content-type" and not self._kind:
            self._kind = value[:LINE]

    def header_ends(self) -> None:
        """All fields were there."""
        if self._size > bounds.HEADER:
            self.beyond = f"a header of more than {bounds.HEADER} bytes"
        elif self._fields > bounds.FIELDS:
            self.beyond = f"a header of more than {bounds.FIELDS} fields"
        else:
            self._enter()

    def body(self, data: bytes) -> None:
        """Take the next piece of the body."""
        data = self._rest + data
        at = 0
        while self.beyond is None:
            if not self._in_header:
                at = _next(data, at)
            end = data.find(b"\n", at)
            if end < 0:
                # Of a line that does not end, its beginning is kept.
                self._rest = data[at : at + LINE]
                return
            self._line(data[at:end].rstrip(b"\r"))
            at = end + 1

    def _line(self, line: bytes) -> None:
        if line.startswith(b"--"):
            name = line[2:].rstrip()
            if name in self._open:
                self._end_inside(name)
                self._another()
                self._in_header, self._kind, self._folded = True, b"", False
                return
            if name.removesuffix(b"--") in self._open:
                self._end_inside(name.removesuffix(b"--"))
                self._in_header = False
                return
        if self._in_header:
            self._header_line(line)

    def _end_inside(self, boundary: bytes) -> None:
        """Whatever is inside of a multipart ends with its boundary."""
        del self._open[self._open.index(boundary) + 1 :]

    def _another(self) -> None:
        self._parts += 1
        if self._parts > bounds.PARTS:
            self.beyond = f"more than {bounds.PARTS} parts"

    def _header_line(self, line: bytes) -> None:
        if not line:
            self._in_header = False
            self._enter()
        elif line[:1] in b" \t":
            if self._folded and len(self._kind) < LINE:
                self._kind += b" " + line
        else:
            name, _, value = line.partition(b":")
            self._folded = name.strip().lower() == b"content-type" and not self._kind
            if self._folded:
                self._kind = value

    def _enter(self) -> None:
        """A header has ended: what it says of the body below it."""
        if _MULTIPART.match(self._kind) and (found := _BOUNDARY.search(self._kind)):
            quoted, plain = found.groups()
            self._open.append(re.sub(rb"\\(.)", rb"\1", quoted) if plain is None else plain)
        elif _MESSAGE.match(self._kind):
            self._open.append(None)
            self._another()
            self._in_header, self._folded = True, False
        self._kind = b""
        if len(self._open) > bounds.DEPTH:
            self.beyond = f"parts within parts, more than {bounds.DEPTH} deep"


def _next(data: bytes, at: int) -> int:
    """Where the next line begins that may be a boundary, or the last line, which has not ended."""
    if data.startswith(b"--", at):
        return at
    found = data.find(b"\n--", at)
    return found + 1 if found >= 0 else max(data.rfind(b"\n", at) + 1, at)
