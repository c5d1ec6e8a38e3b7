"""Protocol scripts: what a mail program says, and what it must be answered, line by line (`clients/*.txt`).

    == 993 tls      a new connection; with `tls`, inside TLS from the first byte. A new letter, too
    > TEXT          said, with CR LF; several of them in a row go in one write, as a program that pipelines does
    < PATTERN       lines are read until one begins with this regular expression; its named groups become values
    tls             TLS begins
    deliver         a stranger's message with ${subject} comes to the mailbox
    arrives         the submitted ${letter} is awaited there

While a line is awaited, a refusal (NO, BAD, -ERR, 4xx, 5xx) that it does not ask for ends the test. Values: `user`,
`password`, `quoted` (for IMAP), `plain`, `user64`, `password64`, `subject`, `message_id`, `letter`, `size` and `whole`
(its bytes without and with the last line's end).
"""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from string import Template

from tests.machine.server import PASSWORD, USER, Server, letter, trusting

SCRIPTS = sorted((Path(__file__).parent / "clients").glob("*.txt"))
_REFUSAL = re.compile(r"\S+ (?:NO|BAD) |-ERR")
_REFUSAL_SMTP = re.compile(r"[45]\d\d[ -]")  # so begins a line of POP3's lists, too
_PATIENCE = 45.0  # seconds for a line


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def play(server: Server, script: Path) -> int:
    """Play a script; return how many answers were as they must be."""
    connection: _Connection | None = None
    answers = 0
    for number, line in _lines(script):
        try:
            if line.startswith("== "):
                if connection is not None:
                    connection.close()
                connection = _Connection(server, *line[3:].split())
                continue
            assert connection is not None, "a connection first"
            answers += connection.step(line)
        except (AssertionError, OSError) as error:
            raise AssertionError(f"{script.name}, line {number}: {line}\n{error}") from error
    assert connection is not None
    connection.close()
    return answers


def _lines(script: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(script.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            yield number, line


class _Connection:
    def __init__(self, server: Server, port: str, kind: str = "") -> None:
        self._server = server
        self._refusal = _REFUSAL_SMTP if port in ("25", "465", "587") else _REFUSAL
        with server.net.inside():
            self._socket = socket.create_connection((server.address, int(port)), timeout=_PATIENCE)
        if kind == "tls":
            self._begin_tls()
        self._got = b""
        self._unsent = b""
        self._said: list[str] = []
        message = letter(USER, USER)
        content = message.as_bytes().removesuffix(b"\r\n")
        self._values = {
            "user": USER,
            "password": PASSWORD,
            "quoted": PASSWORD.replace("\\", "\\\\").replace('"', '\\"'),
            "plain": _b64(f"\0{USER}\0{PASSWORD}"),
            "user64": _b64(USER),
            "password64": _b64(PASSWORD),
            "subject": str(message["Subject"]),
            "message_id": str(message["Message-ID"]),
            "letter": content.decode(),
            "size": str(len(content)),
            "whole": str(len(content) + 2),
        }

    def close(self) -> None:
        self._flush()
        self._socket.close()

    def step(self, line: str) -> int:
        """Do what a line says; return 1 where it was an answer."""
        if line.startswith("> "):
            self._unsent += Template(line[2:]).safe_substitute(self._values).encode() + b"\r\n"
            return 0
        self._flush()
        if line.startswith("< "):
            escaped = {name: re.escape(value) for name, value in self._values.items()}
            self._await(re.compile(Template(line[2:]).safe_substitute(escaped)))
            return 1
        if line == "tls":
            assert not self._got, self._got
            self._begin_tls()
        elif line == "deliver":
            subject = self._values["subject"]
            self._server.find(self._server.send_again(letter(subject=subject)))
        elif line == "arrives":
            assert self._server.find(self._values["subject"])["DKIM-Signature"]
        else:
            raise AssertionError("nothing that a script can say")
        return 0

    def _begin_tls(self) -> None:
        self._socket = trusting().wrap_socket(self._socket)

    def _flush(self) -> None:
        if self._unsent:
            self._socket.sendall(self._unsent)
            self._unsent = b""
            self._said.clear()

    def _await(self, pattern: re.Pattern[str]) -> None:
        while True:
            line = self._line()
            self._said.append(line)
            if found := pattern.match(line):
                self._values.update({k: v for k, v in found.groupdict().items() if v is not None})
                return
            assert not self._refusal.match(line), "\n".join(self._said)

    def _line(self) -> str:
        while b"\r\n" not in self._got:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise AssertionError("\n".join([*self._said, "(and then nothing)"])) from None
            assert data, "\n".join([*self._said, "(the server closed the connection)"])
            self._got += data
        line, _, self._got = self._got.partition(b"\r\n")
        return line.decode(errors="replace")
