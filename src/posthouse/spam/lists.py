"""The block lists that the filters ask, and what a list's own test entries say of it (RFC 5782 section 5).

A list must always have its test entry, and never the other one; who answers otherwise refuses us, has closed, or lists
everything. Lists of which no test entry is known are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address

from posthouse.site.model import Filter

_LOOPBACK = IPv4Network("127.0.0.0/8")
_REFUSED = IPv4Network(
    "127.255.255.0/24"
)  # Spamhaus's way to say that a resolver is not welcome, and others'
# "Too many questions", as some lists say it of everything: URIBL and SURBL, DNSWL.
_TOO_MANY = {
    "multi.uribl.com": "127.0.0.1",
    "multi.surbl.org": "127.0.0.1",
    "list.dnswl.org": "127.0.0.255",
}


@dataclass(frozen=True)
class BlockList:
    """A list: its zone, the name below it that is always listed, and one that never is."""

    zone: str
    listed: str = "2.0.0.127"
    unlisted: str = "1.0.0.127"


@dataclass(frozen=True)
class Said:
    """What a list answers to both: addresses, () for "not listed", None for no answer; and its words, if any."""

    listed: tuple[str, ...] | None
    unlisted: tuple[str, ...] | None
    words: str = ""


_DOMAINS = BlockList("dbl.spamhaus.org", "dbltest.com", "invalid")
_BOTH = (
    BlockList("zen.spamhaus.org"),
    _DOMAINS,
    BlockList("multi.uribl.com"),
    BlockList("multi.surbl.org"),
)
ASKED: dict[Filter, tuple[BlockList, ...]] = {
    "rspamd": (*_BOTH, BlockList("list.dnswl.org"), BlockList("bl.blocklist.de")),
    "spamassassin": (*_BOTH, BlockList("bl.spamcop.net")),
}


def fault(one: BlockList, said: Said) -> str:
    """Return why a list is not to be believed; "" where it is in order. Its words are cut and printable."""
    if not said.listed and said.words:
        return f"refuses to answer us{_quoted(said.words)}"
    if said.listed is None or said.unlisted is None:
        return "does not answer"
    known = {*said.listed, *said.unlisted}
    if _TOO_MANY.get(one.zone) in known:
        return "is blocked for us (too many questions from this address, or from its resolver)"
    if any(ip_address(address) in _REFUSED for address in known):
        return f"refuses to answer us{_quoted(said.words)}"
    if said.unlisted:
        return "lists everything, also what it never may"
    if not said.listed:
        return "has no test entry any more"
    if not all(ip_address(address) in _LOOPBACK for address in said.listed):
        return "answers as no list does"
    return ""


def silent(one: BlockList, said: Said) -> bool:
    """Tell whether a list did not answer at all, which may be our own network's fault."""
    return fault(one, said) == "does not answer"


def _quoted(words: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in words)[:100]
    return f": {plain}" if plain else ""
