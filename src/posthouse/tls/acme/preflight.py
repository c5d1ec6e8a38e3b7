"""Would the authority find us at a name? Looked at before it is asked, since it allows few failures."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address
from typing import TYPE_CHECKING

from posthouse.dns import ask

if TYPE_CHECKING:
    from posthouse.site.model import Site

_TAG = re.compile(r'(\d{1,3}) ([A-Za-z0-9]{1,15}) "(.*)"')
_CRITICAL = 128  # RFC 8659 section 4.1


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


def name(site: Site, host: str, identities: Collection[str]) -> str | None:
    """Return why no certificate for a name can be had now; None where nothing speaks against it.

    Args:
        site: whose addresses the name must lead to, and to no other.
        host: the name.
        identities: by which CAA records allow the authority; empty: not known.
    """
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
    return _forbidden(host, identities)


def _forbidden(host: str, identities: Collection[str]) -> str | None:
    """What CAA records say (RFC 8659 section 3): those of the name, or of the nearest one above that has any."""
    labels = host.split(".")
    for at in range(len(labels)):
        owner = ".".join(labels[at:])
        answer = ask.of(ask.LOCAL, owner, "CAA")
        if answer.failure:
            return f"the CAA records of {owner} cannot be looked up: the resolver {answer.failure}"
        if answer.values:
            return forbidden(answer.values, owner, identities)
    return None


def forbidden(values: Collection[str], owner: str, identities: Collection[str]) -> str | None:
    """Return how a set of CAA records forbids it; None where it does not, or where that is not known."""
    allowed: list[str] = []
    for value in values:
        found = _TAG.fullmatch(value)
        if found is None:
            return f"the CAA records of {owner} cannot be read: {value[:80]}"
        flags, tag, text = int(found[1]), found[2].lower(), found[3]
        if tag == "issue":
            allowed.append(text.partition(";")[0].strip().lower())
        elif flags & _CRITICAL and tag not in ("issuewild", "iodef"):
            return f'the CAA records of {owner} demand "{tag}", which not every authority knows'
    if not allowed:
        return None
    if not any(allowed):
        return f"the CAA records of {owner} allow no authority at all"
    if identities and not set(allowed) & set(identities):
        return f"the CAA records of {owner} allow {', '.join(filter(None, allowed))} only"
    return None
