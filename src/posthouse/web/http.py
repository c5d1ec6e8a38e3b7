"""HTTP/1.1 (RFC 9112) as far as it is needed: one request a connection, read strictly, answered, closed. Pure.

A stranger writes every byte that is read here. What is not plainly a request is refused with a fixed text; nothing of
it is sent back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

HEAD = 8_192  # bytes of a request before its body
BODY = 16_384  # bytes of a body
_FIELDS = 64
_LINE = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}?)\.?(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Request:
    """What is asked for: `host` in lower case without a port, `length` of the body in bytes.

    `waits`: the client sends the body only when it is told to (RFC 9110 section 10.1.1).
    """

    method: str
    path: str
    query: str
    host: str
    length: int = 0
    waits: bool = False


@dataclass(frozen=True)
class Answer:
    """What is sent back; `more` are header fields."""

    status: int
    body: str = ""
    type: str = "text/plain; charset=utf-8"
    more: tuple[tuple[str, str], ...] = ()

    def octets(self, *, head: bool = False) -> bytes:
        """Return it as it goes over the wire; `head`: the answer to HEAD, which has no body."""
        body = self.body.encode()
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Content-Security-Policy: default-src 'none'",
            *(f"{name}: {value}" for name, value in self.more),
        ]
        text = "".join(f"{line}\r\n" for line in (*lines, ""))
        return text.encode("ascii") + (b"" if head else body)


class Refused(Exception):
    """It is no request that can be answered; `status` says so."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    @property
    def answer(self) -> Answer:
        """What is sent back."""
        return refusal(self.status)


def refusal(status: int, *more: tuple[str, str]) -> Answer:
    """Return an answer that says nothing but its status."""
    return Answer(status, f"{HTTPStatus(status).phrase}\n", more=more)


def request(head: bytes) -> Request:
    """Read a request's head, from its first byte to the empty line.

    Raises:
        Refused: it is not of this form, too large, or wants what is not there.
    """
    if len(head) > HEAD:
        raise Refused(431)
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise Refused(400)
    fields = _fields(lines)
    hosts = fields.get("host", [])
    named = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if named is None:
        raise Refused(400)
    if "transfer-encoding" in fields:
        raise Refused(501)
    path, _, query = str(line[2], "ascii").partition("?")
    return Request(
        str(line[1], "ascii"),
        path,
        query,
        named[1].lower(),
        _length(fields.get("content-length", [])),
        [value.lower() for value in fields.get("expect", [])] == ["100-continue"],
    )


def _fields(lines: list[bytes]) -> dict[str, list[str]]:
    if len(lines) > _FIELDS:
        raise Refused(431)
    found: dict[str, list[str]] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Refused(400)
        found.setdefault(str(field[1], "ascii").lower(), []).append(str(field[2], "latin-1").strip())
    return found


def _length(said: list[str]) -> int:
    if not said:
        return 0
    if len(said) > 1 or not re.fullmatch(r"[0-9]{1,18}", said[0], re.ASCII):
        raise Refused(400)
    if int(said[0]) > BODY:
        raise Refused(413)
    return int(said[0])
