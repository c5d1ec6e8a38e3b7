"""The packet filter: bans need the right to change it, which many containers do not have."""

from __future__ import annotations

from collections.abc import Iterator

from posthouse.doctor.check import Check, ok, warning
from posthouse.watch import table


def check() -> Iterator[Check]:
    """Look at our rights; nftables itself comes with the mail service."""
    if why := table.missing_right():
        yield warning(
            "packet filter",
            f"{why}: nobody can be banned who guesses passwords",
            "give this container CAP_NET_ADMIN; all else works without",
        )
    else:
        yield ok("packet filter", "bans can be put in place")
