"""A ManageSieve client (RFC 5804), as far as the probe needs one; passwords are left out of what it remembers."""

from __future__ import annotations

import base64
import re
import socket
import ssl

from posthouse.mailflow.dialogue import HIDDEN, Dialogue

_LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")
_LONGEST = 65536  # of a line, and of a literal


class Refused(Exception):
    """The server said NO or BYE; the message is its answer."""


class ManageSieve:
    """A session, in the open at first, from the address `source`. `capabilities`: name -> value, in capitals."""

    def __init__(self, dialogue: Dialogue, host: str, port: int, source: str, timeout: float) -> None:
        self.dialogue = dialogue
        self.sock = socket.create_connection((host, port), timeout, (source, 0))
        self._file = self.sock.makefile("rb")
        self.capabilities = self._greeting()

    def starttls(self, context: ssl.SSLContext) -> None:
        """Begin TLS; the server then says its capabilities anew (section 2.2)."""
        self._say("STARTTLS")
        self._file.close()
        self.sock = context.wrap_socket(self.sock)
        self._file = self.sock.makefile("rb")
        self.capabilities = self._greeting()

    def login(self, address: str, password: str) -> None:
        """Log in by PLAIN. Refused where the server does not agree."""
        secret = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        self._say(f'AUTHENTICATE "PLAIN" "{secret}"', f'AUTHENTICATE "PLAIN" {HIDDEN}')

    def check(self, script: str) -> None:
        """Have a script compiled, and thrown away (section 2.12). Refused where it is no good."""
        self._say(f"CHECKSCRIPT {{{len(script.encode())}+}}\r\n{script}")

    def logout(self) -> None:
        """Say goodbye."""
        self._say("LOGOUT")

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self.sock.close()

    def _say(self, command: str, shown: str = "") -> list[bytes]:
        self.dialogue.note("C", shown or command)
        self.sock.sendall(command.encode() + b"\r\n")
        return self._answer()

    def _greeting(self) -> dict[str, str]:
        pairs = (re.findall(r'"([^"]*)"', line.decode("utf-8", "replace")) for line in self._answer())
        return {words[0].upper(): words[1] if len(words) > 1 else "" for words in pairs if words}

    def _answer(self) -> list[bytes]:
        """Return the lines before OK. Refused at NO and BYE, EOFError where the server hangs up."""
        lines: list[bytes] = []
        while True:
            line = self._line()
            self.dialogue.note("S", line.rstrip(b"\r\n"))
            word = line.split(None, 1)[0].upper() if line.strip() else b""
            if word.startswith(b"OK"):
                return lines
            if word.startswith((b"NO", b"BYE")):
                raise Refused(line.decode("utf-8", "replace").strip())
            lines.append(line)

    def _line(self) -> bytes:
        """Return a line, with the literals that it holds."""
        whole = b""
        while True:
            part = self._file.readline(_LONGEST)
            if not part.endswith(b"\r\n"):
                raise EOFError("the ManageSieve server hung up")
            whole += part
            literal = _LITERAL.search(part)
            if literal is None:
                return whole
            whole += self._file.read(min(int(literal[1]), _LONGEST))
