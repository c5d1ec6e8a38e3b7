"""Questions to name servers, as a checker asks them: to each server that answers for a name, and to others by address.

Nothing is remembered, and no server is believed to speak for another. What comes back is hostile: values are texts in
which only printable ASCII stands (RFC 4343's escapes), and their number is bounded.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
from dns.rdtypes.txtbase import TXTBase

LOCAL = "127.0.0.1"  # our unbound, which finds and validates
_SECONDS = 3.0  # for one answer of one server
_SERVERS = 8  # asked of a zone at most
_CHAIN = 8  # CNAMEs in a row
_VALUES = 100  # of an answer at most


@dataclass(frozen=True)
class Answer:
    """What one server says of a name: `values` (none: there is no such record), or why it said nothing (`failure`).

    A TXT's value is its strings joined; names are absolute.
    """

    server: str
    values: tuple[str, ...] = ()
    ttl: int = 0
    failure: str = ""


class Failed(Exception):
    """No answer, which is neither yes nor no; the text says why."""


def of(address: str, name: str, kind: str) -> Answer:
    """Return what the resolver at an address says."""
    try:
        return _answer(address, _resolved(address, dns.name.from_text(name), kind))
    except Failed as failed:
        return Answer(address, failure=str(failed))


def forgotten_after(name: str) -> float:
    """Return for how many seconds resolvers may remember that a name is not there (RFC 2308 section 5). Failed."""
    zone = _zone(dns.name.from_text(name))
    found = _resolved(LOCAL, zone, "SOA")
    return float(min(found.ttl, found[0].minimum)) if found else 0.0


def is_signed(name: str) -> bool | None:
    """Tell whether the zone of a name is signed, as our resolver found it (RFC 6840 section 5.7); None: no answer."""
    try:
        zone = _zone(dns.name.from_text(name))
        return bool(_exchange(LOCAL, zone, "SOA", recurse=True).flags & dns.flags.AD)
    except Failed:
        return None


def authoritative(name: str, kind: str) -> tuple[Answer, ...]:
    """Return what each server that answers for a name says, a CNAME followed; at least one answer."""
    return _authoritative(dns.name.from_text(name), kind, _CHAIN)


def _authoritative(name: dns.name.Name, kind: str, chain: int) -> tuple[Answer, ...]:
    try:
        servers = _servers(_zone(name))
    except Failed as failed:
        return (Answer("our resolver", failure=str(failed)),)
    with ThreadPoolExecutor(len(servers)) as pool:
        return tuple(pool.map(lambda server: _from_server(server, name, kind, chain), servers))


def _from_server(server: str, name: dns.name.Name, kind: str, chain: int) -> Answer:
    try:
        addresses = _addresses(server)
        failure = "has no address"
        for address in addresses:
            try:
                reply = _exchange(address, name, kind, recurse=False)
                break
            except Failed as failed:
                failure = str(failed)
        else:
            raise Failed(failure)
        if not reply.flags & dns.flags.AA:
            raise Failed("does not answer for this zone")
        end = _end(reply)
        if end == name or _found(reply, end, kind) is not None:
            return _answer(server, _found(reply, end, kind))
        if chain == 0:
            raise Failed(f"more than {_CHAIN} CNAMEs in a row")
        best = min(_authoritative(end, kind, chain - 1), key=lambda answer: bool(answer.failure))
        return Answer(server, best.values, best.ttl, best.failure)
    except Failed as failed:
        return Answer(server, failure=str(failed))


def _end(reply: dns.message.Message) -> dns.name.Name:
    """Where the CNAMEs of an answer lead."""
    assert isinstance(reply, dns.message.QueryMessage)
    try:
        return reply.resolve_chaining().canonical_name
    except dns.exception.DNSException as error:
        raise Failed(f"its CNAMEs lead nowhere ({error})") from error


def _found(reply: dns.message.Message, name: dns.name.Name, kind: str) -> dns.rrset.RRset | None:
    return reply.get_rrset(reply.answer, name, dns.rdataclass.IN, dns.rdatatype.from_text(kind))


def _answer(server: str, found: dns.rrset.RRset | None) -> Answer:
    if found is None:
        return Answer(server)
    values = sorted(text_of(record) for record in list(found)[:_VALUES])
    return Answer(server, tuple(values), int(found.ttl))


def text_of(record: dns.rdata.Rdata) -> str:
    """Return a record's value as text in which only printable ASCII stands; a TXT's strings joined."""
    if isinstance(record, TXTBase):
        joined = b"".join(record.strings)
        return "".join(chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}" for byte in joined)
    return record.to_text()


def _exchange(address: str, name: dns.name.Name, kind: str, recurse: bool) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    query.flags |= dns.flags.AD
    if not recurse:
        query.flags &= ~(dns.flags.RD | dns.flags.AD)
    try:
        try:
            reply, _ = dns.query.udp_with_fallback(query, address, timeout=_SECONDS)
        except dns.exception.Timeout:  # a datagram may be lost
            reply, _ = dns.query.udp_with_fallback(query, address, timeout=_SECONDS)
    except dns.exception.Timeout as error:
        raise Failed(f"did not answer within {2 * _SECONDS:.0f} seconds") from error
    except (dns.exception.DNSException, OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise Failed(f"cannot be asked ({words})") from error
    if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise Failed(f"answered {dns.rcode.to_text(reply.rcode())}")
    return reply


def _resolved(address: str, name: dns.name.Name, kind: str) -> dns.rrset.RRset | None:
    reply = _exchange(address, name, kind, recurse=True)
    if not reply.answer and not reply.flags & (dns.flags.RA | dns.flags.AA):
        raise Failed("does not resolve names for this host")
    return _found(reply, _end(reply), kind)


@cache
def _zone(name: dns.name.Name) -> dns.name.Name:
    """The zone that a name stands in: the nearest name upwards that has an SOA of its own."""
    while True:
        if _resolved(LOCAL, name, "SOA") is not None or name == dns.name.root:
            return name
        name = name.parent()


@cache
def _servers(zone: dns.name.Name) -> tuple[str, ...]:
    found = _resolved(LOCAL, zone, "NS")
    if found is None:
        raise Failed(f"{zone} names no name servers")
    return tuple(sorted(record.to_text() for record in found)[:_SERVERS])


@cache
def _addresses(server: str) -> tuple[str, ...]:
    """A server's addresses, IPv4 first: not every host of ours has IPv6."""
    found: list[str] = []
    for kind in ("A", "AAAA"):
        rrset = _resolved(LOCAL, dns.name.from_text(server), kind)
        found += [record.to_text() for record in rrset or ()]
    return tuple(sorted(found, key=lambda text: ip_address(text).version)[:4])


def forget() -> None:
    """Ask anew who answers for what."""
    for function in (_zone, _servers, _addresses):
        function.cache_clear()
