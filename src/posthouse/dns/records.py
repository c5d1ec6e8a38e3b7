"""The DNS records that the mail service needs: what to print, and what to check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from posthouse.dkim.keys import Key

if TYPE_CHECKING:
    from posthouse.site.model import Site

TTL = 3600  # seconds
LONGEST_STRING = 255  # octets of one character-string: RFC 1035 section 3.3


@dataclass(frozen=True)
class Record:
    """One record. `name` and names in `value` are absolute (final dot); a TXT's value is one string."""

    name: str
    type: str
    value: str
    purpose: str
    ttl: int = TTL

    @property
    def strings(self) -> tuple[str, ...]:
        """A TXT's value as strings of at most 255 octets, which a reader joins (RFC 7208 section 3.3)."""
        value = self.value
        return tuple(value[at : at + LONGEST_STRING] for at in range(0, len(value), LONGEST_STRING))

    @property
    def zone_line(self) -> str:
        """The line of a zone file (RFC 1035 section 5.1). A PTR is a comment: it stands in another zone."""
        value = " ".join(f'"{_quoted(text)}"' for text in self.strings) if self.type == "TXT" else self.value
        line = f"{self.name} {self.ttl} IN {self.type} {value}"
        return f"; {line}" if self.type == "PTR" else line


def of_host(site: Site) -> tuple[Record, ...]:
    """Return the records of the host: A, AAAA, PTR, and SPF of its own name.

    The host's SPF record counts where the envelope sender is empty (RFC 7208 section 2.4).
    """
    name = f"{site.hostname}."
    found: list[Record] = []
    for address in (site.network.ipv4, site.network.ipv6):
        if address is not None:
            ip = ip_address(address)
            kind = "A" if ip.version == 4 else "AAAA"
            found.append(Record(name, kind, str(ip), "the host's address"))
            reverse = Record(
                f"{ip.reverse_pointer}.", "PTR", name, "its name; set by whoever gave you the address"
            )
            found.append(reverse)
    found.append(Record(name, "TXT", "v=spf1 a -all", "SPF of the host's own name"))
    return tuple(found)


def of_domain(site: Site, domain: str, keys: Iterable[Key]) -> tuple[Record, ...]:
    """Return the records of one mail domain: MX, SPF, DKIM (as far as keys are there) and DMARC."""
    owner = f"{domain}."
    dmarc = site.dmarc
    return (
        Record(owner, "MX", f"10 {site.hostname}.", "who takes mail for the domain"),
        Record(owner, "TXT", "v=spf1 mx -all", "SPF: who may send mail of the domain"),
        *(
            Record(f"{key.selector}._domainkey.{owner}", "TXT", key.public_record, "DKIM: the public key")
            for key in keys
            if key.domain == domain
        ),
        Record(
            f"_dmarc.{owner}",
            "TXT",
            f"v=DMARC1; p={dmarc.policy}; sp={dmarc.policy}; adkim=r; aspf=r; fo=1; rf=afrf; "
            f"rua=mailto:{dmarc.report_to}@{domain}",
            "DMARC: what to do with mail that is not ours, and who gets the reports",
        ),
    )


def wanted(site: Site, domains: Iterable[str], keys: Iterable[Key]) -> tuple[Record, ...]:
    """Return all records: the host's, then each domain's."""
    keys = tuple(keys)
    found = [*of_host(site)]
    for domain in domains:
        found += of_domain(site, domain, keys)
    return tuple(found)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
