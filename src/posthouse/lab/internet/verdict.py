"""What a strict receiver makes of a message, by libraries that no filter here uses: pyspf and dkimpy.

DMARC (RFC 7489) is counted by hand from their results, with the organizational domain by publicsuffixlist.
"""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from ipaddress import ip_address

import spf
from publicsuffixlist import PublicSuffixList

import dkim
from posthouse.lab.internet import ed25519, lookup

ed25519.install()
spf.DNSLookup = lookup.for_spf(spf.TempError)

_SUFFIXES = PublicSuffixList()
_ONCE = ("From", "Date", "Message-ID", "Subject", "To", "Cc", "Reply-To", "Sender")  # RFC 5322 section 3.6


@dataclass(frozen=True)
class Envelope:
    """How a message came: client address, HELO name, sender ("" for none), recipients, TLS version, and SMTPUTF8."""

    client: str
    helo: str
    sender: str
    recipients: tuple[str, ...]
    tls: str | None
    smtputf8: bool = False


@dataclass(frozen=True)
class Signature:
    """One DKIM-Signature (RFC 6376) and whether it holds."""

    domain: str
    selector: str
    valid: bool
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """All results in the words of RFC 8601, and where the message goes: "INBOX", "Junk" or "refused"."""

    spf: str
    dkim: tuple[Signature, ...]
    dmarc: str
    policy: str  # what the author's domain asks for: "", none, quarantine, reject
    arc: str
    ptr: str  # pass: the client's address has a name that leads back to it
    helo: str  # pass: the HELO name leads to the client's address
    tls: str | None
    headers: tuple[str, ...] = ()  # faults of the header section
    folder: str = "INBOX"
    reasons: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        """One line, as the provider says it after the message."""
        signed = ",".join(f"{s.domain}/{s.selector}:{'pass' if s.valid else 'fail'}" for s in self.dkim)
        results = f"spf={self.spf} dkim={signed or 'none'} dmarc={self.dmarc} arc={self.arc} ptr={self.ptr}"
        return f"{self.folder} {results} helo={self.helo} tls={self.tls or 'none'}"


def judge(message: bytes, envelope: Envelope, trusted_sealers: frozenset[str] = frozenset()) -> Verdict:
    """Judge a message with its lines ended by CRLF. The calling thread must be inside the network.

    `trusted_sealers` are domains whose ARC chain (RFC 8617) is believed where DMARC fails, if it says that DMARC
    passed when the message came to the last of them.
    """
    # (as text: in RFC 6532 a header is UTF-8)
    text = message.decode("utf-8", "surrogateescape")
    parsed = email.message_from_string(text, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    authors = [address for _, address in getaddresses([str(v) for v in parsed.get_all("From", [])])]
    domain = a_labels(authors[0].rpartition("@")[2]) if len(authors) == 1 else ""
    spf_result, spf_domain = _spf(envelope)
    signatures = _signatures(message)
    arc, sealer = _arc(message)
    aligned_with = [s.domain for s in signatures if s.valid], spf_domain if spf_result == "pass" else ""
    dmarc, policy = _dmarc(domain, *aligned_with) if domain else ("permerror", "")
    verdict = Verdict(
        spf_result,
        signatures,
        dmarc,
        policy,
        arc,
        _ptr(envelope.client),
        _helo(envelope),
        envelope.tls,
        _faults(parsed, message),
    )
    vouched = arc == "pass" and sealer in trusted_sealers and sealed(parsed, "dmarc=pass")
    return _placed(verdict, vouched)


def a_labels(domain: str) -> str:
    """A domain in lower case, and as DNS has it where it is beyond ASCII."""
    return domain.lower() if domain.isascii() else domain.encode("idna").decode("ascii")


def _spf(envelope: Envelope) -> tuple[str, str]:
    """RFC 7208 section 2.4: of the HELO name where there is no sender."""
    sender = envelope.sender or f"postmaster@{envelope.helo}"
    local, _, domain = sender.rpartition("@")
    sender = f"{local}@{a_labels(domain)}"
    result, _ = spf.check2(i=envelope.client, s=sender, h=envelope.helo, timeout=20, querytime=20)
    return str(result), a_labels(domain)


def _signatures(message: bytes) -> tuple[Signature, ...]:
    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(message).headers)
    found = []
    for number in range(count):
        checked, why = dkim.DKIM(message), ""
        try:
            valid = bool(checked.verify(idx=number, dnsfunc=lookup.for_dkim))
        except (dkim.DKIMException, lookup.Unanswered) as error:
            valid, why = False, str(error)
        fields = {key: value.decode("ascii", "replace") for key, value in checked.signature_fields.items()}
        found.append(Signature(fields.get(b"d", "").lower(), fields.get(b"s", ""), valid, why))
    return tuple(found)


def _arc(message: bytes) -> tuple[str, str]:
    """The state of the chain, and the domain of the last seal."""
    try:
        result, seals, _ = dkim.arc_verify(message, dnsfunc=lookup.for_dkim)
    except (dkim.DKIMException, lookup.Unanswered):
        return "fail", ""
    if result is None:  # a seal says that the chain was broken already
        result = b"fail"
    domains = [seal["as-domain"] for seal in seals] if seals else []
    return result.decode(), domains[0].decode().lower() if domains else ""


def sealed(parsed: EmailMessage, result: str) -> bool:
    """Whether the last seal's results (ARC-Authentication-Results, the highest i=) have this one among them."""
    found = {}
    for value in parsed.get_all("ARC-Authentication-Results", []):
        instance, _, results = str(value).partition(";")
        number = instance.strip().removeprefix("i=")
        found[int(number) if number.isdecimal() else 0] = results
    return bool(found) and result in found[max(found)].replace(";", " ").split()


def _organization(domain: str) -> str:
    return str(_SUFFIXES.privatesuffix(domain) or domain)


def _dmarc(author: str, signed: list[str], sender: str) -> tuple[str, str]:
    """Result and wanted policy (RFC 7489 sections 3.1 and 6.6.3)."""
    organization = _organization(author)
    for place in dict.fromkeys((author, organization)):
        try:
            records = [
                text for text in lookup.texts(f"_dmarc.{place}") if text.lower().startswith("v=dmarc1")
            ]
        except lookup.Unanswered:
            return "temperror", ""
        if len(records) == 1:
            break
    else:
        return "none", ""
    tags = {
        key.strip().lower(): value.strip().lower()
        for key, _, value in (part.partition("=") for part in records[0].split(";"))
    }
    policy = tags.get("sp", tags.get("p", "")) if place != author else tags.get("p", "")

    def aligned(domain: str, mode: str) -> bool:
        return domain == author or (mode != "s" and _organization(domain) == organization)

    passes = any(aligned(domain, tags.get("adkim", "r")) for domain in signed)
    passes = passes or (bool(sender) and aligned(sender, tags.get("aspf", "r")))
    return ("pass" if passes else "fail"), policy


def _ptr(client: str) -> str:
    """Forward-confirmed reverse DNS (RFC 8601 section 2.7.3)."""
    try:
        names = lookup.ask(ip_address(client).reverse_pointer + ".", "PTR")
        return "pass" if any(client in _addresses(name, client) for name in names) else "fail"
    except lookup.Unanswered:
        return "temperror"


def _helo(envelope: Envelope) -> str:
    try:
        return "pass" if envelope.client in _addresses(envelope.helo, envelope.client) else "fail"
    except lookup.Unanswered:
        return "temperror"


def _addresses(name: str, like: str) -> set[str]:
    found = lookup.ask(name, "AAAA" if ":" in like else "A")
    return {str(ip_address(address)) for address in found}


def _faults(parsed: EmailMessage, message: bytes) -> tuple[str, ...]:
    faults = [f"{name} more than once" for name in _ONCE if len(parsed.get_all(name, [])) > 1]
    faults += [f"no {name}" for name in ("From", "Date", "Message-ID") if name not in parsed]
    try:
        if "Date" in parsed:
            parsedate_to_datetime(str(parsed["Date"]))
    except ValueError:
        faults.append("Date cannot be read")
    if any(len(line) > 998 for line in message.split(b"\r\n")):
        faults.append("a line of more than 998 bytes")
    if b"\n" in message.replace(b"\r\n", b""):
        faults.append("a bare line feed")
    return tuple(faults)


def _placed(verdict: Verdict, vouched: bool) -> Verdict:
    """Where a large provider would put it: nothing without an identity, everything by the author's own wish."""
    refused: list[str] = []
    doubtful: list[str] = []
    if verdict.spf != "pass" and not any(s.valid for s in verdict.dkim):
        refused.append("neither SPF nor DKIM passes")
    if verdict.dmarc == "fail" and not vouched:
        (refused if verdict.policy == "reject" else doubtful).append(f"DMARC fails, p={verdict.policy}")
    if verdict.ptr != "pass":
        refused.append("the client's address has no name that leads back to it")
    refused += [f"header: {fault}" for fault in verdict.headers]
    if verdict.helo != "pass":
        doubtful.append("the HELO name does not lead to the client")
    if verdict.tls is None:
        doubtful.append("no TLS")
    folder = "refused" if refused else "Junk" if doubtful else "INBOX"
    return Verdict(**{**vars(verdict), "folder": folder, "reasons": (*refused, *doubtful)})
