"""The records of what is looked up by HTTPS: the names, MTA-STS, and where Outlook finds its answer.

Nothing is wanted that would promise what is not kept: where the certificate is nobody's (self-signed) there are none,
where it is the operator's own those that it is for, and MTA-STS is told of only once its policy can be fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from posthouse.dns.record import Record
from posthouse.web import names, policy

if TYPE_CHECKING:
    from posthouse.site.model import Site

_PURPOSES = {
    names.POLICY: "where the MTA-STS policy is fetched",
    names.AUTOCONFIG: "where Thunderbird and Apple's programs are told the settings",
    names.AUTODISCOVER: "where Outlook is told the settings",
}


def of_domain(site: Site, domain: str, trusted: Callable[[str], bool]) -> Iterator[Record]:
    """Yield the records of one domain; `trusted` tells whether others believe our certificate for a name."""
    if not site.web_enabled:
        return
    for label, purpose in _PURPOSES.items():
        name = f"{label}.{domain}"
        if site.tls.kind == "acme" or trusted(name):  # the authority sees that it is ours by its address
            yield Record(f"{name}.", "CNAME", f"{site.hostname}.", purpose, "web-name")
    if trusted(site.hostname):
        where = f"0 1 443 {site.hostname}."
        yield Record(
            f"_autodiscover._tcp.{domain}.", "SRV", where, "the same for other ways of Outlook", "srv"
        )
        if trusted(f"{names.POLICY}.{domain}"):
            what = f"MTA-STS, {site.web.mta_sts}: others send to the domain by verified TLS; a new id, a new policy"
            yield Record(f"_mta-sts.{domain}.", "TXT", policy.record(policy_of(site)), what, "mta-sts")


def policy_of(site: Site) -> str:
    """Return the text of the policy, which all domains share."""
    return policy.text(site.web.mta_sts, site.mail_exchangers, site.web.mta_sts_seconds)
