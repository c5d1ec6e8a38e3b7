"""IMAP by hand over TLS (RFC 9051), for what no client library says: every line that comes is kept."""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.machine.server import PASSWORD, USER, Server, trusting

_PATIENCE = 60.0  # seconds for a line


@dataclass
class Answer:
    """What a command was answered: its last line, and all that came before it, literals as bytes in their lines."""

    end: str
    lines: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it."""
        return b"\n".join([*self.lines, self.end.encode()]).decode(errors="replace")

    def find(self, pattern: str) -> re.Match[str]:
        """The first match; the test fails where there is none."""
        found = re.search(pattern, self.text)
        assert found, (pattern, self.text[:2000])
        return found


class Imap:
    """A session."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._got = b""
        self._pack: zlib._Compress | None = None
        self._unpack: zlib._Decompress | None = None
        self.received = 0  # bytes, as they came over TLS
        self._number = 0
        self.line()

    def say(self, command: str) -> Answer:
        """Say a command and await its end, which must be OK."""
        answer = self.ask(command)
        assert answer.end.startswith("OK"), (command, answer.text[:2000])
        return answer

    def ask(self, command: str) -> Answer:
        """Say a command and await its end."""
        self._number += 1
        tag = f"t{self._number}"
        self.write(f"{tag} {command}\r\n")
        answer = Answer("")
        while True:
            line = self.line()
            if line.startswith(tag.encode() + b" "):
                answer.end = line[len(tag) + 1 :].decode()
                return answer
            answer.lines.append(line)

    def write(self, text: str) -> None:
        """Send text as it is."""
        data = text.encode()
        if self._pack is not None:
            data = self._pack.compress(data) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        self._sock.sendall(data)

    def line(self) -> bytes:
        """Await one line; literals in it are taken in."""
        whole = b""
        while True:
            whole += self._until_newline()
            literal = re.search(rb"\{(\d+)\}$", whole)
            if literal is None:
                return whole
            whole += b"\n" + self._take(int(literal[1]))

    def awaited(self, pattern: str) -> str:
        """Await a line that comes by itself; a test that waits in vain fails by the socket's time-out."""
        while True:
            line = self.line().decode(errors="replace")
            if re.search(pattern, line):
                return line

    def compress(self) -> None:
        """Compress both ways from here on (RFC 4978)."""
        self.say("COMPRESS DEFLATE")
        self._pack = zlib.compressobj(wbits=-15)
        self._unpack = zlib.decompressobj(wbits=-15)

    def append(self, folder: str, message: bytes) -> int:
        """Append a message and return its UID."""
        self._number += 1
        self.write(f"t{self._number} APPEND {folder} {{{len(message)}+}}\r\n")
        self._sock.sendall(message + b"\r\n")
        return int(re.search(r"APPENDUID \d+ (\d+)", self.awaited(f"^t{self._number} OK"))[1])  # type: ignore[index]

    def _until_newline(self) -> bytes:
        while b"\r\n" not in self._got:
            self._more()
        line, _, self._got = self._got.partition(b"\r\n")
        return line

    def _take(self, count: int) -> bytes:
        while len(self._got) < count:
            self._more()
        data, self._got = self._got[:count], self._got[count:]
        return data

    def _more(self) -> None:
        data = self._sock.recv(65536)
        assert data, "the server closed the connection"
        self.received += len(data)
        self._got += self._unpack.decompress(data) if self._unpack is not None else data


@contextmanager
def imap(server: Server, user: str = USER, folder: str | None = None) -> Iterator[Imap]:
    """Log in over TLS, and open a folder where one is given."""
    with server.net.inside():
        plain = socket.create_connection((server.address, 993), timeout=_PATIENCE)
    with plain, trusting().wrap_socket(plain) as sock:
        session = Imap(sock)
        quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        session.say(f'LOGIN {user} "{quoted}"')
        if folder is not None:
            session.say(f"SELECT {folder}")
        yield session
