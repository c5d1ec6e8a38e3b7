"""A POP3 client that remembers what was said, passwords and mail left out (RFC 1939, RFC 2449, RFC 2595)."""

from __future__ import annotations

import poplib
import socket
import ssl
from typing import Any

from posthouse.mailflow.dialogue import HIDDEN, Dialogue


class _Heard:
    """The part that both clients share: every command and the first line of every answer passes here."""

    dialogue: Dialogue

    def _putline(self, line: bytes) -> None:
        said = b"PASS " + HIDDEN.encode() if line[:5].upper() == b"PASS " else line
        self.dialogue.note("C", said)
        super()._putline(line)  # type: ignore[misc]

    def _getresp(self) -> bytes:
        try:
            answer: bytes = super()._getresp()  # type: ignore[misc]
        except poplib.error_proto as error:
            self.dialogue.note("S", text(error))
            raise
        self.dialogue.note("S", answer)
        return answer


class Pop3(_Heard, poplib.POP3):
    """POP3 in the open, with STLS when asked, from the address `source`."""

    def __init__(self, dialogue: Dialogue, host: str, port: int, source: str, timeout: float) -> None:
        self.dialogue = dialogue
        self.source = source
        super().__init__(host, port, timeout)

    def _create_socket(self, timeout: float) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout, (self.source, 0))


class Pop3Tls(_Heard, poplib.POP3_SSL):
    """POP3 inside TLS from the first byte."""

    def __init__(
        self, dialogue: Dialogue, host: str, port: int, timeout: float, context: ssl.SSLContext
    ) -> None:
        self.dialogue = dialogue
        super().__init__(host, port, timeout=timeout, context=context)


def holds(client: Any, token: str) -> bool:
    """Tell whether a message of the mailbox has this word in its header, the newest first."""
    count, _ = client.stat()
    return any(token.encode() in line for number in range(count, 0, -1) for line in client.top(number, 0)[1])


def text(error: poplib.error_proto) -> str:
    """Return what the server said when it did not agree."""
    answer = error.args[0] if error.args else error
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
