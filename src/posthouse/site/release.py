"""Which Debian, and which kind of ground: what `stack` needs to know beside the site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HOSTS = Path("/etc/hosts")
# Between these lines of it is ours; the rest is everybody's.
HOSTS_BEGIN = "# posthouse: this host, as /etc/posthouse/posthouse.toml says"
HOSTS_END = "# posthouse: end"


@dataclass(frozen=True)
class Release:
    """A supported Debian: 12 (Postfix 3.7, Dovecot 2.3, Rspamd 3.4) or 13 (3.10, 2.4, 3.12)."""

    debian: Literal[12, 13]

    @property
    def suite(self) -> str:
        """Return the suite's name as apt knows it."""
        return {12: "bookworm", 13: "trixie"}[self.debian]


@dataclass(frozen=True)
class Ground:
    """What starts daemons on this machine: systemd, or supervisor where PID 1 is something else.

    `hosts`: what others wrote into /etc/hosts. `fail2ban`: somebody else's fail2ban is here; `packet_filter`: it may be
    changed here (both are looked at only where the site file speaks of fail2ban).
    """

    manager: Literal["systemd", "supervisor"]
    hosts: str = ""
    fail2ban: bool = False
    packet_filter: bool = True
