"""Alignment, sampling, subdomains, and authors that DMARC cannot judge (RFC 7489 sections 3.1, 6.3, 6.6)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from email.message import EmailMessage

import pytest
from tests.machine.server import USER, Server, awaited, unique
from tests.machine.test_receiving import known

from posthouse.lab.internet import Internet, Sender

pytestmark = [
    pytest.mark.machine,
    pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean"),
    pytest.mark.both_chains("full"),
]

INBOX, JUNK, REFUSED = "INBOX", "Junk", "refused"


def outcome(server: Server, sender: Sender, letter: EmailMessage, **how: object) -> tuple[str, str]:
    """Send it; where it went, and the Authentication-Results it got."""
    code, said = sender.send(server.address, USER, letter, **how)  # type: ignore[arg-type]
    if code >= 500:
        return REFUSED, said
    assert code == 250, said
    subject, found = str(letter["Subject"]), list[str]()
    awaited(
        lambda: found.extend(f for f in (INBOX, JUNK) if server.count(subject, folder=f)) or found,
        "the letter",
    )
    return found[0], " ".join(str(server.find(subject, folder=found[0])["Authentication-Results"]).split())


@dataclass(frozen=True)
class Forged:
    """`author` at the owner's domain ("sub." before it: below it), written by somebody else."""

    policy: str
    below: str
    goes: str
    result: str


FORGED = {
    "none": Forged("none", "", INBOX, "dmarc=fail"),
    "quarantine": Forged("quarantine", "", JUNK, "dmarc=fail"),
    "reject": Forged("reject", "", REFUSED, ""),
    "sampled-reject": Forged("reject; pct=0", "", JUNK, "dmarc=fail"),
    "sampled-quarantine": Forged("quarantine; pct=0", "", INBOX, "dmarc=fail"),
    "whole-sample": Forged("reject; pct=100", "", REFUSED, ""),
    "subdomain-inherits": Forged("reject", "sub.", REFUSED, ""),
    "subdomain-milder": Forged("reject; sp=quarantine", "sub.", JUNK, "dmarc=fail"),
    "subdomain-stricter": Forged("none; sp=reject", "sub.", REFUSED, ""),
    "domain-milder": Forged("none; sp=reject", "", INBOX, "dmarc=fail"),
}


@pytest.fixture(scope="session")
def forger(server: Server, internet: Internet) -> Sender:
    """Somebody whose own SPF and DKIM are in order."""
    return known(server, internet.sender(f"forger-{unique()}.org"))


@pytest.fixture(scope="session")
def owners(server: Server, internet: Internet) -> dict[str, str]:
    """A domain for every case (.info: a public suffix, by which Rspamd counts the organizational domain)."""
    names = {case: f"{case}-{unique()}" for case in FORGED}
    records = [f'_dmarc.{names[case]} TXT "v=DMARC1; p={asked.policy}"' for case, asked in FORGED.items()]
    internet.net.dns.set_zone("info", [*records, *(f'{name} TXT "v=spf1 -all"' for name in names.values())])
    for name in names.values():
        awaited(lambda name=name: server.sees(f"_dmarc.{name}.info"), "the server to see the policies")  # type: ignore[misc]
    return {case: f"{name}.info" for case, name in names.items()}


@pytest.mark.parametrize("case", sorted(FORGED))
def test_what_the_owner_asks_for_is_done(
    server: Server, forger: Sender, owners: dict[str, str], case: str
) -> None:
    asked = FORGED[case]
    letter = forger.letter(USER, author=f"boss@{asked.below}{owners[case]}")
    goes, result = outcome(server, forger, letter)
    classic = server.filter == "spamassassin"  # of quarantine, it samples nothing
    assert goes == (JUNK if classic and case == "sampled-quarantine" else asked.goes), result
    assert asked.result in result


@pytest.mark.parametrize(("mode", "goes"), [("r", INBOX), ("s", REFUSED)], ids=["relaxed", "strict"])
def test_alignment(server: Server, internet: Internet, forger: Sender, mode: str, goes: str) -> None:
    """SPF for a subdomain of the author's domain; then a signature of the domain for its subdomain's author."""
    domain = f"owner-{unique()}.org"
    of = known(server, internet.sender(domain, policy=f"reject; aspf={mode}; adkim={mode}"))
    bounces = f"bounces.{domain}"
    internet.net.dns.set_zone(bounces, [f'@ TXT "{of.spf}"', f"@ MX 10 {of.host.name}."])
    awaited(lambda: server.sees(bounces), "the subdomain's record")
    ways = {
        "envelope": (of.letter(USER), {"envelope_sender": f"b@{bounces}", "sign": False}),
        "signature": (
            of.letter(USER, author=f"ann@sub.{domain}"),
            {"envelope_sender": f"list@{forger.domain}"},
        ),
    }
    for way, (letter, how) in ways.items():
        found, result = outcome(server, of, letter, **how)
        if server.filter == "spamassassin" and (mode, way) == ("s", "envelope"):
            continue  # OpenDMARC 1.4.2 takes it for aligned, whatever `aspf` says
        assert found == goes, (way, result)
        assert goes == REFUSED or "dmarc=pass" in result, way
    # what was changed on the way has neither
    found, result = outcome(
        server, of, of.letter(USER), envelope_sender=f"list@{forger.domain}", tampered=True
    )
    assert found == REFUSED, result


@pytest.mark.parametrize("way", ["two-addresses", "two-headers", "no-address"])
def test_who_hides_his_author_is_filed_in_junk(
    server: Server, forger: Sender, owners: dict[str, str], way: str
) -> None:
    """RFC 7489 section 6.6.1: such a From: cannot be judged, and a mail program shows what the forger likes."""
    true, boss = f"From: ann@{forger.domain}".encode(), f"boss@{owners['reject']}"
    hidden = {
        "two-addresses": f"From: {boss}, ann@{forger.domain}".encode(),
        "two-headers": f"From: {boss}\r\n".encode() + true,
        "no-address": b"From: undisclosed",
    }[way]
    subject = uuid.uuid4().hex
    raw = forger.letter(USER, subject=subject).as_bytes().replace(b"\n", b"\r\n").replace(true, hidden)
    code, said = forger.send(server.address, USER, raw, sign=False)
    if server.filter == "spamassassin" and way == "two-headers":
        assert code == 550, said  # by OpenDMARC
        return
    assert code == 250, said
    server.find(subject, folder=JUNK)


def test_our_own_names_are_guarded_before_any_record_is_published(server: Server, forger: Sender) -> None:
    domain = f"unpublished-{unique()}.org"
    server.posthouse("domain", "add", domain)
    for author in (f"boss@{domain}", f"boss@sub.{domain}", f"ann@elsewhere.example, boss@{domain}"):
        found, _ = outcome(server, forger, forger.letter(USER, author=author))
        assert found == JUNK, author


@pytest.mark.parametrize(("signed", "goes"), [(True, INBOX), (False, JUNK)], ids=["signed", "unsigned"])
def test_what_spf_disowns_needs_a_signature(
    server: Server, internet: Internet, signed: bool, goes: str
) -> None:
    domain = f"disowned-{unique()}.org"
    sender = known(server, internet.sender(domain, spf="v=spf1 -all", policy=None))
    found, result = outcome(server, sender, sender.letter(USER), sign=signed)
    assert found == goes, result
    assert "spf=fail" in result
