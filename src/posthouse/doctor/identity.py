"""Who this host says it is: its name, its public addresses, and what DNS says of both."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

import dns.exception
import dns.name
import dns.resolver
import dns.reversename

from posthouse.doctor.check import Check, failure, ok, unknown, warning
from posthouse.host import addresses
from posthouse.host.addresses import Address
from posthouse.site import names

_LOOKUP_SECONDS = 3.0


class Unanswered(Exception):
    """No resolver answered: nothing is known of the name."""


def host_name(hostname: str) -> Iterator[Check]:
    """Check that the host name can be one, and that the machine calls itself by it."""
    try:
        name = names.host_name(hostname)
    except ValueError as error:
        yield failure("host name", str(error), "give a full name: --hostname mail.example.org", fatal=True)
        return
    own = socket.getfqdn() if "." not in socket.gethostname() else socket.gethostname()
    if own.rstrip(".").lower() == name:
        yield ok("host name", name)
    else:
        yield ok("host name", f"{name}; the machine calls itself {own} until `up` names it so")


def public_addresses(ipv4: str | None, ipv6: str | None) -> Iterator[Check]:
    """Check that others can reach an address of this machine."""
    known = _given(ipv4, ipv6)
    found = addresses.public()
    if known:
        absent = [str(one) for one in known if one not in found]
        where = f"; {', '.join(absent)} on no interface of this machine (a gateway's?)" if absent else ""
        yield ok("public addresses", ", ".join(map(str, known)) + where)
    elif found:
        yield ok("public addresses", ", ".join(map(str, found)))
    else:
        private = ", ".join(map(str, addresses.own())) or "none at all"
        yield warning(
            "public addresses",
            f"this machine has only addresses that others cannot reach: {private}",
            "have ports 25, 465, 587, 143, 993 forwarded to it, and set network.ipv4 in the site file",
        )


def forward_and_reverse(hostname: str, ipv4: str | None, ipv6: str | None) -> Iterator[Check]:
    """Check that the name leads to our addresses and each address back to the name (RFC 1912 2.1)."""
    wanted = _given(ipv4, ipv6) or addresses.public()
    try:
        named = [ip_address(text) for kind in ("A", "AAAA") for text in lookup(hostname, kind)]
    except Unanswered as error:
        yield unknown("forward DNS", f"{hostname} cannot be looked up: {error}")
        return
    yield _forward(hostname, wanted, named)
    for address in wanted or named:
        yield _reverse(hostname, address)


def _forward(hostname: str, wanted: list[Address], named: list[Address]) -> Check:
    records = ", ".join(f"{hostname}. {'A' if one.version == 4 else 'AAAA'} {one}" for one in wanted)
    publish = f"publish: {records}" if records else f"publish an A record for {hostname}."
    if not named:
        return warning("forward DNS", f"{hostname} has no address yet", publish)
    shown = ", ".join(map(str, named))
    if not wanted:
        return ok("forward DNS", f"{hostname} is {shown}; this machine's own public address is not known")
    wrong = [str(one) for one in named if one not in wanted]
    missing = [str(one) for one in wanted if one not in named]
    if wrong:
        return warning(
            "forward DNS", f"{hostname} is {shown}; {', '.join(wrong)} is not this machine", publish
        )
    if missing:
        return warning("forward DNS", f"{hostname} is {shown}, and not {', '.join(missing)}", publish)
    return ok("forward DNS", f"{hostname} is {shown}")


def _reverse(hostname: str, address: Address) -> Check:
    name = f"reverse DNS of {address}"
    mend = f"have your provider set the reverse name (PTR) of {address} to {hostname}."
    try:
        found = [one.rstrip(".").lower() for one in lookup(dns.reversename.from_address(str(address)), "PTR")]
    except Unanswered as error:
        return unknown(name, f"it cannot be looked up: {error}", mend)
    if hostname.lower() in found:
        return ok(name, hostname)
    said = f"it is {', '.join(found)}" if found else "there is none"
    return warning(name, f"{said}; many servers refuse mail from such an address", mend)


def mail_exchangers(domain: str, hostname: str) -> Iterator[Check]:
    """Check where mail for the domain goes today (RFC 5321 5.1)."""
    try:
        hosts = sorted(text.split()[-1].rstrip(".").lower() for text in lookup(domain, "MX"))
    except Unanswered as error:
        yield unknown("MX", f"{domain} cannot be looked up: {error}")
        return
    publish = f"publish: {domain}. MX 10 {hostname}."
    if hosts == [hostname.lower()]:
        yield ok("MX", f"mail for {domain} comes to {hostname}")
    elif not hosts:
        yield warning("MX", f"{domain} has no MX record yet", publish)
    else:
        yield warning("MX", f"mail for {domain} goes to {', '.join(hosts)} until that is changed", publish)


def lookup(name: str | dns.name.Name, kind: str) -> list[str]:
    """Return the records of a name as text, none where there are none.

    Raises:
        Unanswered: no resolver answered in time, or none is configured.
    """
    try:
        resolver = dns.resolver.Resolver()
        return [item.to_text() for item in resolver.resolve(name, kind, lifetime=_LOOKUP_SECONDS)]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Unanswered(str(error).partition(":")[0] or type(error).__name__) from error


def _given(ipv4: str | None, ipv6: str | None) -> list[Address]:
    found: list[Address] = []
    for text in (ipv4, ipv6):
        with suppress(ValueError):
            found += [ip_address(text)] if text else []
    return found
