"""What is published of the records that the mail service needs, looked up now: a line for the host and each domain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from posthouse.dns.check import Finding
    from posthouse.site.model import Site

State = Literal["ok", "warning", "unknown"]
Line = tuple[State, str, str]  # state, what is seen, what to do

_DOMAINS_LOOKED_UP = 20  # by `status`, which is to answer at once; `posthouse dns check` looks at all
_ROLES = {
    "address": "address",
    "reverse": "reverse name (PTR)",
    "mx": "MX",
    "spf": "SPF",
    "host-spf": "SPF of the host",
    "dkim": "DKIM key",
    "dmarc": "DMARC",
    "relay-name": "the smart host's CNAMEs",
    "relay-mx": "MX of MAIL FROM",
    "relay-spf": "SPF of MAIL FROM",
    "tlsa": "TLSA",
    "caa": "CAA",
    "tls-rpt": "TLS-RPT",
    "srv": "SRV",
    "web-name": "names for MTA-STS and autoconfig",
    "mta-sts": "MTA-STS",
}


def look(site: Site) -> Iterator[Line]:
    """Yield a line for the host, and for each domain. PosthouseError where the directory cannot be asked."""
    from posthouse import directory
    from posthouse.directory import domains
    from posthouse.dkim import rotation
    from posthouse.dns import check, records
    from posthouse.ops import certificates

    names = [domain.name for domain in directory.reading(domains.list) if domain.active]
    signing = rotation.published()
    groups = {site.hostname: records.of_host(site, certificates.pins(site))}
    trusted = certificates.trusted(site)
    groups |= {name: records.of_domain(site, name, signing, trusted) for name in names[:_DOMAINS_LOOKED_UP]}
    found = check.look(site, [record for group in groups.values() for record in group])
    for name, group in groups.items():
        mine = [finding for finding in found if finding.record in group]
        yield published(name, "" if name == site.hostname else f" {name}", mine, by_update=site.dns.pushed)
    if len(names) > _DOMAINS_LOOKED_UP:
        rest = len(names) - _DOMAINS_LOOKED_UP
        yield "unknown", f"{rest} more domains were not looked up", "posthouse dns check"


def published(name: str, only: str, found: list[Finding], *, by_update: bool) -> Line:
    """Return the line of a host or domain.

    Args:
        name: whose records were looked up.
        only: what to say behind a command, so that it is about that one.
        found: of each record.
        by_update: whether `dns push` can do something about it.
    """
    said = [*_said(found, required=True), *_said(found, required=False)]
    if not said:
        return "ok", f"{name}: {len(found)} records are published", ""
    # The reverse name is in a zone of whoever gave the address.
    ours = any(
        finding.state in ("missing", "wrong") and finding.record.role != "reverse" for finding in found
    )
    unsure = all(finding.state in ("ok", "warning", "unknown") for finding in found)
    mend = f"posthouse dns {'push' if by_update and ours else 'check'}{only}"
    return "unknown" if unsure else "warning", f"{name}: {'; '.join(said)}", mend


def _said(found: list[Finding], *, required: bool) -> Iterator[str]:
    mine = [finding for finding in found if (finding.record.level == "required") == required]
    for state in ("missing", "wrong", "unknown"):
        roles = [_ROLES[finding.record.role] for finding in mine if finding.state == state]
        if roles:
            label = state if required or state == "unknown" else f"{state}, but only recommended"
            after = (
                " (until then others refuse its mail, or send none)"
                if required and state != "unknown"
                else ""
            )
            yield f"{label}: {', '.join(dict.fromkeys(roles))}{after}"
