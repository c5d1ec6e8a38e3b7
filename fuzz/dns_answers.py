"""Answers of name servers, as `posthouse.dns` reads and judges them."""

from __future__ import annotations

from typing import Any
from unittest import mock

import dns.flags
import dns.message
import dns.query
import dns.rrset

from fuzz.run import Target
from posthouse.dns import ask, caa
from posthouse.dns.judge import STATES, beside, judge, leads_here
from posthouse.dns.record import Record, Role

_NAME = "x.snorl.ax."
_RECORDS: dict[str, tuple[tuple[Role, str], ...]] = {
    "A": (("address", "198.51.100.7"),),
    "AAAA": (("address", "2001:db8::7"),),
    "PTR": (("reverse", "mail.snorl.ax."),),
    "MX": (("mx", "10 mail.snorl.ax."), ("relay-mx", "10 mail.snorl.ax.")),
    "CNAME": (("relay-name", "mail.snorl.ax."), ("web-name", "mail.snorl.ax.")),
    "TLSA": (("tlsa", f"3 1 1 {'ab' * 32}"),),
    "CAA": (("caa", '0 issue "letsencrypt.org"'),),
    "SRV": (("srv", "0 1 993 mail.snorl.ax."),),
    "TXT": (
        ("spf", "v=spf1 mx -all"),
        ("host-spf", "v=spf1 a include:amazonses.com -all"),
        ("dkim", "v=DKIM1; h=sha256; k=rsa; s=email; p=MIIBIjANBgkq"),
        ("dmarc", "v=DMARC1; p=quarantine; rua=mailto:a@snorl.ax"),
        ("tls-rpt", "v=TLSRPTv1; rua=mailto:a@snorl.ax"),
        ("mta-sts", "v=STSv1; id=abc"),
    ),
}
_KINDS = tuple(_RECORDS)


def _wire(kind: str, *values: str, alias: bool = False) -> bytes:
    """An answer, behind a byte that says what was asked for."""
    query = dns.message.make_query(_NAME, kind, use_edns=0)
    query.id = 0
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA | dns.flags.AA
    owner = "y.snorl.ax." if alias else _NAME
    if alias:
        reply.answer.append(dns.rrset.from_text(_NAME, 60, "IN", "CNAME", owner))
    reply.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, *values))
    return bytes([_KINDS.index(kind)]) + reply.to_wire()


def feed(data: bytes) -> None:
    """Ask, get these bytes for an answer, and judge it."""
    kind = _KINDS[data[0] % len(_KINDS)] if data else "TXT"

    def exchange(query: dns.message.Message, *_: object, **__: object) -> tuple[dns.message.Message, bool]:
        # as dns.query.udp does it, with the number that the asker expects
        reply = dns.message.from_wire(query.id.to_bytes(2, "big") + data[3:], ignore_trailing=False)
        if not query.is_response(reply):
            raise dns.query.BadResponse
        return reply, False

    with mock.patch.object(dns.query, "udp_with_fallback", exchange):
        found = ask.of("192.0.2.53", _NAME, kind)
    _printable(found.failure, *found.values)
    assert len(found.values) <= 100
    if found.failure:
        return
    for role, value in _RECORDS[kind]:
        judged = judge(Record(_NAME, kind, value, "", role), found.values, _no_spf)
        assert judged.state in STATES
        _printable(judged.detail)
    if kind == "MX":
        _printable(beside(found.values, ("mail.snorl.ax",), "enforce").detail)
    if kind in ("A", "AAAA"):
        name = Record(_NAME, "CNAME", "mail.snorl.ax.", "", "web-name")
        _printable(leads_here(name, found.values, {"198.51.100.7"}).detail)
    if kind == "CAA":
        _printable(caa.forbidden(found.values, "snorl.ax", {"letsencrypt.org"}) or "")


def _printable(*texts: str) -> None:
    assert all(text.isascii() and (text.isprintable() or not text) for text in texts), texts


def _no_spf(text: str) -> Any:
    return None if "mx" in text else ("198.51.100.7", "fail", "no reason")


ANSWERS = Target(
    "dns-answers",
    feed,
    (
        *(_wire(kind, *(value for _, value in some[:1])) for kind, some in _RECORDS.items()),
        *(_wire("TXT", f'"{value}"', '"another"', alias=True) for _, value in _RECORDS["TXT"]),
        _wire("MX", "0 .", "5 elsewhere.example."),
    ),
    (
        b"v=spf1",
        b"v=DKIM1",
        b"v=DMARC1",
        b"v=STSv1; id=",
        b"; p=",
        b"issue",
        b"\xc0\x0c",
        b"\x00\x10",
        b"\x00\x05",
        b"\\",
    ),
)
