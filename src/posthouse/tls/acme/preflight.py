"""Would the authority find us at a name? Looked at before it is asked, since it allows few failures."""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import ip_address
from typing import TYPE_CHECKING

from posthouse.dns import ask, caa

if TYPE_CHECKING:
    from posthouse.site.model import Site


def port_80() -> str | None:
    """Return why nothing of ours can answer on port 80; None where it can."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - a moment only
        try:
            with socket.create_server((address, 80), family=family):
                pass
        except OSError as error:
            if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
                continue
            return f"port 80 is taken ({error.strerror}): set tls.webroot to the folder that the web server shows"
    return None


def name(site: Site, host: str, identities: Collection[str], *, anywhere: bool = False) -> str | None:
    """Return why no certificate for a name can be had now; None where nothing speaks against it.

    Args:
        site: whose addresses the name must lead to, and to no other.
        host: the name.
        identities: by which CAA records allow the authority; empty: not known.
        anywhere: it need not lead here (DNS-01).
    """
    return (None if anywhere else _leads_elsewhere(site, host)) or _forbidden(host, identities)


def _leads_elsewhere(site: Site, host: str) -> str | None:
    addresses = [ask.of(ask.LOCAL, host, kind) for kind in ("A", "AAAA")]
    for kind, answer in zip(("A", "AAAA"), addresses, strict=True):
        if answer.failure:
            return f"its {kind} record cannot be looked up: the resolver {answer.failure}"
    shown = [ip_address(value) for answer in addresses for value in answer.values]
    if not shown:
        return "it has no address in the DNS"
    ours = {ip_address(one) for one in (site.network.ipv4, site.network.ipv6) if one is not None}
    versions = {one.version for one in ours}
    wrong = [one for one in shown if ours and one not in ours]
    if wrong:
        listed = ", ".join(map(str, wrong))
        own = ", ".join(map(str, sorted(ours, key=lambda one: one.version)))
        lacks = (
            " (the site file has no address of that kind: [network])"
            if wrong[0].version not in versions
            else ""
        )
        return f"it leads to {listed}, and not only to {own}{lacks}"
    return None


def _forbidden(host: str, identities: Collection[str]) -> str | None:
    """What CAA records say (RFC 8659 section 3): those of the name, or of the nearest one above that has any."""
    labels = host.split(".")
    for at in range(len(labels)):
        owner = ".".join(labels[at:])
        answer = ask.of(ask.LOCAL, owner, "CAA")
        if answer.failure:
            return f"the CAA records of {owner} cannot be looked up: the resolver {answer.failure}"
        if answer.values:
            return caa.forbidden(answer.values, owner, identities)
    return None
