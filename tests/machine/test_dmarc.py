"""What a domain's owner asks for by DMARC is done, for our own domains as well (RFC 7489)."""

from __future__ import annotations

import smtplib

import pytest
from tests.machine.server import HOST, USER, Server, awaited, letter, unique

pytestmark = [pytest.mark.machine, pytest.mark.both_chains]


def attacker(server: Server) -> str:
    """Somebody elsewhere whose envelope sender passes SPF."""
    domain = f"{unique()}.example"
    server.net.dns.set_zone(domain, ['@ 60 IN TXT "v=spf1 ip4:198.18.0.0/15 -all"', f"@ 60 IN MX 10 {HOST}."])
    awaited(lambda: server.sees(domain), "the server to see the attacker's SPF record")
    return f"anybody@{domain}"


def guarded(server: Server, policy: str) -> str:
    """A domain of ours with this policy, that nothing has asked for yet."""
    domain = f"{policy}-{unique()}.example"
    records = [
        f'_dmarc 60 IN TXT "v=DMARC1; p={policy}"',
        '@ 60 IN TXT "v=spf1 -all"',
        f"@ 60 IN MX 10 {HOST}.",
    ]
    server.net.dns.set_zone(domain, records)
    server.posthouse("domain", "add", domain)
    awaited(lambda: server.sees(f"_dmarc.{domain}"), "the server to see the domain's policy")
    return domain


def test_a_forged_author_of_our_own_domain_does_not_reach_the_inbox(server: Server) -> None:
    sent = letter(f"boss@{guarded(server, 'quarantine')}")
    subject = server.send(sent, sender=attacker(server))
    filed = server.find(subject, folder="Junk")
    assert "dmarc=fail" in str(filed["Authentication-Results"])
    assert "spf=pass" in str(
        filed["Authentication-Results"]
    )  # the attacker's own: it says nothing about From:
    assert server.count(subject) == 0


def test_a_forged_author_is_refused_where_the_owner_asks_for_that(server: Server) -> None:
    forged = letter(f"boss@{guarded(server, 'reject')}")
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        server.send(forged, sender=attacker(server))
    assert 500 <= refusal.value.smtp_code < 600


def test_the_same_domain_s_own_users_are_believed(server: Server) -> None:
    address = f"boss@{guarded(server, 'reject')}"
    server.posthouse("user", "add", address, "--password-stdin", input="pw of boss\n")
    with server.smtp(587, address, "pw of boss") as client:
        sent = letter(address, USER)
        client.send_message(sent)
    server.find(str(sent["Subject"]))
