"""Who sends a message, as Postfix tells by macros and by the commands of the client."""

from __future__ import annotations

import re
from dataclasses import dataclass

from posthouse.agent import wire
from posthouse.agent.idn import a_labels

# Wanted at MAIL; {client_ptr} would be the name that only the address claims.
MACROS = {wire.AT_MAIL: "{client_addr} {client_name} i", wire.AT_END: "i"}
# We see the body, and may say that we have seen enough of it.
UNSEEN = wire.STEPS & ~wire.NO_BODY & ~wire.NO_EOH | wire.SKIP_BODY


@dataclass
class Client:
    """The connection and the envelope sender, for one message after the other."""

    helo: str = "unknown"
    address: str = ""
    name: str = "unknown"
    sender: str = ""
    queue_id: str = ""

    def take(self, command: bytes, data: bytes, macros: dict[str, str]) -> None:
        """Note what HELO or MAIL says. Raises `wire.ProtocolError`."""
        said = wire.strings(data)[0].decode("utf-8", "replace")
        if command == wire.HELO:
            self.helo = said
        else:
            self.sender = said.removeprefix("<").removesuffix(">")
            self.address = macros.get("client_addr", "").removeprefix("IPv6:")
            self.name = macros.get("client_name", "unknown")

    @property
    def identity(self) -> str:
        """What SPF judges: the envelope sender, or postmaster at the client's name (RFC 7208 section 2.4)."""
        return self.sender or f"postmaster@{self.helo}"

    @property
    def domain(self) -> str:
        """The domain of that, in A-labels."""
        return a_labels(self.identity.rpartition("@")[2])


_QUOTABLE = re.compile(r"[^A-Za-z0-9@.+=_:-]")
_WORD = re.compile(r"[^A-Za-z0-9@._:-]")


def quoted(text: str) -> str:
    """What a client said, as a quoted string of RFC 5322 without anything that could end it."""
    return '"' + _QUOTABLE.sub("?", text) + '"'


def plain(text: str) -> str:
    """The same as a word of a header."""
    return _WORD.sub("?", text) or "unknown"
