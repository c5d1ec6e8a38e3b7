"""One DNS record that the mail service needs, and how much hangs on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TTL = 3600  # seconds
LONGEST_STRING = 255  # octets of one character-string: RFC 1035 section 3.3

Role = Literal[
    "address",
    "reverse",
    "mx",
    "spf",
    "host-spf",
    "dkim",
    "dmarc",
    "adsp",
    "relay-name",
    "relay-mx",
    "relay-spf",
    "tlsa",
    "caa",
    "tls-rpt",
    "srv",
    "web-name",
    "mta-sts",
    "challenge",
]
Level = Literal["required", "recommended", "cosmetic"]

# Without the required ones mail does not come, or what we send is refused; the others make it better trusted.
LEVELS: dict[Role, Level] = {
    **dict.fromkeys(
        ("host-spf", "dmarc", "tlsa", "caa", "tls-rpt", "srv", "mta-sts", "web-name"), "recommended"
    ),
    "adsp": "cosmetic",
}


@dataclass(frozen=True)
class Record:
    """One record. `name` and names in `value` are absolute (final dot); a TXT's value is one string."""

    name: str
    type: str
    value: str
    purpose: str
    role: Role
    ttl: int = TTL

    @property
    def level(self) -> Level:
        """How much hangs on it."""
        return LEVELS.get(self.role, "required")

    @property
    def strings(self) -> tuple[str, ...]:
        """A TXT's value as strings of at most 255 octets, which a reader joins (RFC 7208 section 3.3)."""
        value = self.value
        return tuple(value[at : at + LONGEST_STRING] for at in range(0, len(value), LONGEST_STRING))

    @property
    def zone_line(self) -> str:
        """The line of a zone file (RFC 1035 section 5.1). A PTR is a comment: it stands in another zone."""
        line = f"{self.name} {self.ttl} IN {self.type} {self.presentation}"
        return f"; {line}" if self.type == "PTR" else line

    @property
    def presentation(self) -> str:
        """The value as master files have it: a TXT's strings in quotation marks."""
        return " ".join(f'"{_quoted(text)}"' for text in self.strings) if self.type == "TXT" else self.value


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
