"""The DNS records that the mail service needs: what to print, and what to check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from posthouse.dkim.keys import Key
from posthouse.dns import caa, web_records
from posthouse.dns.record import Record

if TYPE_CHECKING:
    from posthouse.site.model import Dmarc, Site

# What mail programs look for where nobody tells them (RFC 6186, RFC 8314 section 5.1, RFC 5804 section 1.8): the
# service, its priority and its port. TLS from the first byte goes before STARTTLS.
SERVICES = (
    ("_imaps", 0, 993),
    ("_submissions", 0, 465),
    ("_submission", 10, 587),
    ("_pop3s", 10, 995),
    ("_sieve", 0, 4190),
)


def of_host(site: Site, pins: Iterable[str] = ()) -> tuple[Record, ...]:
    """Return the records of the host: A, AAAA, PTR, SPF of its own name, and what tells of its certificate.

    The host's SPF record counts where the envelope sender is empty (RFC 7208 section 2.4).

    Args:
        site: whose host it is.
        pins: SHA-256 of the public keys of its certificates, the one in use and one that comes next (RFC 7671).
    """
    name = f"{site.hostname}."
    found: list[Record] = []
    for address in (site.network.ipv4, site.network.ipv6):
        if address is not None:
            ip = ip_address(address)
            kind = "A" if ip.version == 4 else "AAAA"
            found.append(Record(name, kind, str(ip), "the host's address", "address"))
            reverse = Record(
                f"{ip.reverse_pointer}.",
                "PTR",
                name,
                "its name; set by whoever gave you the address",
                "reverse",
            )
            found.append(reverse)
    found.append(Record(name, "TXT", "v=spf1 a -all", "SPF of the host's own name", "host-spf"))
    for number, pin in enumerate(pins):
        which = "the next key, before it is in use" if number else "the certificate's key, which stays"
        purpose = f"TLSA: {which}; counts only in a zone signed by DNSSEC"
        found.append(Record(f"_25._tcp.{name}", "TLSA", f"3 1 1 {pin}", purpose, "tlsa"))
    issuer = caa.identity(site.tls.acme_server) if site.tls.kind == "acme" else None
    if issuer is not None:
        purpose = "CAA: nobody else issues certificates for the host"
        found.append(Record(name, "CAA", f'0 issue "{issuer}"', purpose, "caa"))
    return tuple(found)


def nobody(_: str) -> bool:
    """Tell whether others believe our certificate for a name: for none."""
    return False


def of_domain(
    site: Site, domain: str, keys: Iterable[Key], trusted: Callable[[str], bool] = nobody
) -> tuple[Record, ...]:
    """Return the records of one mail domain: MX, SPF, DKIM (as far as keys are there), DMARC, TLS reports, SRV, what
    its smart host's service wants, and what is looked up by HTTPS, as far as others believe our certificate."""
    owner = f"{domain}."
    relays = dict.fromkeys(host.mechanism for host in site.relay.of(domain))
    return (
        Record(owner, "MX", f"10 {site.hostname}.", "who takes mail for the domain", "mx"),
        Record(
            owner,
            "TXT",
            " ".join(("v=spf1 mx", *relays, "-all")),
            "SPF: who may send mail of the domain",
            "spf",
        ),
        *(
            Record(
                f"{key.selector}._domainkey.{owner}", "TXT", key.public_record, "DKIM: the public key", "dkim"
            )
            for key in keys
            if key.domain == domain
        ),
        Record(
            f"_dmarc.{owner}",
            "TXT",
            dmarc_text(site.dmarc, domain),
            "DMARC: what to do with mail that is not ours, and who gets the reports",
            "dmarc",
        ),
        *_of_identity(site, domain),
        Record(
            f"_smtp._tls.{owner}",
            "TXT",
            f"v=TLSRPTv1; rua=mailto:{site.dmarc.report_to}@{domain}",
            "TLS-RPT: who is told where others could not send to us by TLS (RFC 8460)",
            "tls-rpt",
        ),
        *(
            Record(
                f"{service}._tcp.{owner}",
                "SRV",
                f"{priority} 1 {port} {site.hostname}.",
                "where mail programs find the server by themselves",
                "srv",
            )
            for service, priority, port in SERVICES
        ),
        *web_records.of_domain(site, domain, trusted),
    )


def _of_identity(site: Site, domain: str) -> Iterator[Record]:
    """Yield what the service of a smart host wants for a domain (the services' own manuals)."""
    for identity in site.relay.identity:
        if identity.domain != domain:
            continue
        for token in identity.dkim_tokens:
            name, value = f"{token}._domainkey.{domain}.", f"{token}.dkim.amazonses.com."
            yield Record(
                name, "CNAME", value, "Amazon SES: that the domain is yours, and its DKIM key", "relay-name"
            )
        for name, target in identity.cnames.items():
            full = name if f".{name}".endswith(f".{domain}") else f"{name}.{domain}"
            yield Record(
                f"{full}.", "CNAME", f"{target}.", "the smart host's service asks for it", "relay-name"
            )
        if identity.mail_from is not None:
            name, server = (
                f"{identity.mail_from}.",
                f"feedback-smtp.{site.relay.region_of(domain)}.amazonses.com.",
            )
            yield Record(
                name, "MX", f"10 {server}", "Amazon SES: what comes back to the MAIL FROM domain", "relay-mx"
            )
            text = "v=spf1 include:amazonses.com -all"
            yield Record(name, "TXT", text, "Amazon SES: SPF of the MAIL FROM domain", "relay-spf")


def dmarc_text(dmarc: Dmarc, domain: str) -> str:
    """Return the DMARC record of a domain (RFC 7489 section 6.3); tags with their default are left out but for those
    that readers of the record look for."""
    tags = {
        "v": "DMARC1",
        "p": dmarc.policy,
        "sp": dmarc.subdomain_policy or dmarc.policy,
        "adkim": dmarc.dkim_alignment[0],
        "aspf": dmarc.spf_alignment[0],
        "fo": dmarc.failure_options,
        "rf": "afrf",
        "pct": "" if dmarc.percent == 100 else str(dmarc.percent),
        "ri": "" if dmarc.report_interval == 86_400 else str(dmarc.report_interval),
        "rua": f"mailto:{dmarc.report_to}@{domain}",
        "ruf": f"mailto:{dmarc.failures_to}" if dmarc.failures_to else "",
    }
    return "; ".join(f"{tag}={value}" for tag, value in tags.items() if value)


def historic(domain: str) -> Record:
    """Return the ADSP record (RFC 5617), which nobody is to publish any more: its RFC is historic since 2013."""
    return Record(
        f"_adsp._domainkey.{domain}.", "TXT", "dkim=all", "ADSP: historic, replaced by DMARC", "adsp"
    )


def wanted(
    site: Site,
    domains: Iterable[str],
    keys: Iterable[Key],
    pins: Iterable[str] = (),
    trusted: Callable[[str], bool] = nobody,
) -> tuple[Record, ...]:
    """Return all records: the host's, then each domain's. `pins`: see `of_host`; `trusted`: see `of_domain`."""
    keys = tuple(keys)
    found = [*of_host(site, pins)]
    for domain in domains:
        found += of_domain(site, domain, keys, trusted)
    return tuple(found)
