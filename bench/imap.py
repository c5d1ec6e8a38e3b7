"""IMAP sessions as a mail program's: over TLS, pipelined nowhere, each answer read to its end."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Self

from tests.machine.server import PASSWORD, trusting

from posthouse.lab import Machine, Network

_PATIENCE = 300.0  # seconds
# What Thunderbird asks of a message for its list.
HEADERS = (
    "From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To"
    " Content-Type Reply-To List-Unsubscribe"
)
LIST = f"(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({HEADERS})])"
_CONTEXT = trusting()


class Imap:
    """A session that is logged in."""

    def __init__(self, net: Network, machine: Machine, user: str, password: str = PASSWORD) -> None:
        with net.inside():
            plain = socket.create_connection((machine.ipv4, 993), timeout=_PATIENCE)
        self._sock: ssl.SSLSocket = _CONTEXT.wrap_socket(plain)
        self._answers = self._sock.makefile("rb", buffering=65536)
        self._answers.readline()
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        self.say(f'LOGIN {user} "{quoted}"')

    def say(self, command: str) -> list[bytes]:
        """Say a command; return the lines that were answered. RuntimeError where it is refused."""
        self._sock.sendall(f"a {command}\r\n".encode())
        lines = []
        while not (line := self._answers.readline()).startswith((b"a OK", b"a NO", b"a BAD")):
            if not line:
                raise RuntimeError(f"the connection ended in {command[:60]!r}")
            lines.append(line)
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"{command[:60]!r}: {line!r}")
        return lines

    def count(self) -> int:
        """The messages in INBOX, without opening it."""
        answer = b"".join(self.say("STATUS INBOX (MESSAGES)"))
        return int(answer.rpartition(b"MESSAGES ")[2].partition(b")")[0])

    def append(self, messages: list[bytes]) -> None:
        """Append messages to INBOX in one transaction (RFC 3502)."""
        parts = b"".join(b" {%d+}\r\n" % len(message) + message for message in messages)
        self._sock.sendall(b"a APPEND INBOX" + parts + b"\r\n")
        while not (line := self._answers.readline()).startswith(b"a "):
            pass
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"APPEND: {line!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.close()
        self._sock.close()
