"""SMTP and IMAP clients that remember what was said, passwords and mail left out."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
from typing import Any

HIDDEN = "[not shown]"


class Dialogue:
    """What client (C) and server (S) said, a line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, who: str, text: str | bytes) -> None:
        """Keep what somebody said."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        for line in text.splitlines() or [""]:
            self.lines.append(f"{who}: {''.join(char if char.isprintable() else '?' for char in line)}")


class _Heard:
    """The part that both SMTP clients share: every command and reply passes here."""

    dialogue: Dialogue
    _secret = False

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command."""
        whole = f"{cmd} {args}".rstrip()
        if self._secret:
            whole = HIDDEN
        elif cmd.upper() == "AUTH":
            whole = f"AUTH {args.partition(' ')[0]} {HIDDEN}"
            self._secret = True
        self.dialogue.note("C", whole)
        super().putcmd(cmd, args)  # type: ignore[misc]

    def getreply(self) -> tuple[int, bytes]:
        """Receive a reply."""
        code, text = super().getreply()  # type: ignore[misc]
        if code != 334:  # RFC 4954 section 4: the login goes on
            self._secret = False
        lines = text.split(b"\n")
        for number, line in enumerate(lines, 1):
            self.dialogue.note("S", f"{code}{' ' if number == len(lines) else '-'}".encode() + line)
        return code, text


class Smtp(_Heard, smtplib.SMTP):
    """SMTP in the open, with STARTTLS when asked."""

    def __init__(self, dialogue: Dialogue, host: str, port: int, name: str, timeout: float) -> None:
        self.dialogue = dialogue
        super().__init__(host, port, name, timeout)


class SmtpTls(_Heard, smtplib.SMTP_SSL):
    """SMTP inside TLS from the first byte."""

    def __init__(
        self, dialogue: Dialogue, host: str, port: int, name: str, timeout: float, context: ssl.SSLContext
    ) -> None:
        self.dialogue = dialogue
        super().__init__(host, port, name, timeout=timeout, context=context)


class _HeardImap:
    """The part that both IMAP clients share."""

    dialogue: Dialogue

    def send(self, data: Any) -> None:
        """Send bytes."""
        said = bytes(data).rstrip(b"\r\n")
        words = said.split(b" ", 2)
        if len(words) > 1 and words[1].upper() in (b"LOGIN", b"AUTHENTICATE"):
            said = b" ".join(words[:2]) + b" " + HIDDEN.encode()
        self.dialogue.note("C", said)
        super().send(data)  # type: ignore[misc]

    def readline(self) -> bytes:
        """Receive a line; what follows as a literal is mail, and not kept."""
        line: bytes = super().readline()  # type: ignore[misc]
        self.dialogue.note("S", line.rstrip(b"\r\n"))
        return line


class Imap(_HeardImap, imaplib.IMAP4):
    """IMAP in the open, with STARTTLS when asked, from the address `source`."""

    def __init__(self, dialogue: Dialogue, host: str, port: int, source: str, timeout: float) -> None:
        self.dialogue = dialogue
        self.source = source
        super().__init__(host, port, timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout, (self.source, 0))


class ImapTls(_HeardImap, imaplib.IMAP4_SSL):
    """IMAP inside TLS from the first byte."""

    def __init__(
        self, dialogue: Dialogue, host: str, port: int, timeout: float, context: ssl.SSLContext
    ) -> None:
        self.dialogue = dialogue
        super().__init__(host, port, ssl_context=context, timeout=timeout)
