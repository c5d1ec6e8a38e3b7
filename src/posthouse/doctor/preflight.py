"""What `up` looks at before it touches anything: what would stop it, and what it will live with."""

from __future__ import annotations

from collections.abc import Iterable

from posthouse.doctor import (
    clock,
    debian,
    disk,
    identity,
    memory,
    other_mail,
    outgoing,
    packet_filter,
    ports,
    resolver,
)
from posthouse.doctor.check import Check, ask


def preflight(
    domain: str,
    hostname: str,
    *,
    ipv4: str | None = None,
    ipv6: str | None = None,
    outgoing_target: str = outgoing.TARGET,
    adopting: bool = False,
) -> list[Check]:
    """Look at the machine; takes some seconds at most, changes nothing and raises nothing.

    Args:
        domain: the mail domain that is wanted.
        hostname: the host's full name that is wanted.
        ipv4: its public IPv4 address, where the operator said so; else those of its interfaces count.
        ipv6: the same for IPv6.
        adopting: the mail server that is here is to be taken over: it may be here, and hold its ports.
        outgoing_target: the host whose port 25 shows whether mail can leave.
    """
    others = [("other mail servers", other_mail.check), ("ports", ports.check)]
    return ask(
        [
            ("Debian", debian.check),
            ("memory", memory.check),
            ("disk", disk.check),
            *([] if adopting else others),
            ("host name", lambda: identity.host_name(hostname)),
            ("public addresses", lambda: identity.public_addresses(ipv4, ipv6)),
            ("forward and reverse DNS", lambda: identity.forward_and_reverse(hostname, ipv4, ipv6)),
            ("MX", lambda: identity.mail_exchangers(domain, hostname)),
            ("resolver", resolver.check),
            ("outgoing port 25", lambda: outgoing.check(outgoing_target)),
            ("clock", clock.check),
            ("packet filter", packet_filter.check),
        ]
    )


def stops(checks: Iterable[Check], *, yes: bool) -> list[Check]:
    """Return what stops `up`: with `yes` only what makes mail impossible, else every failure."""
    return [check for check in checks if check.state == "failure" and (check.fatal or not yes)]
