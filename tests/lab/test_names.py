from __future__ import annotations

import dns.flags
import dns.message
import dns.query
import pytest

from posthouse.lab import LabError, Network, netns

RECORDS = """
@ MX 10 mail
@ TXT "v=spf1 mx -all"
mail.snorl.ax. 300 IN A 198.18.9.9
mail 300 IN AAAA 2001:2:0:9::9
www CNAME mail
sel._domainkey TXT "v=DKIM1; k=rsa; " "p=MIIB"   ; a comment
"""


@pytest.fixture
def zone(lab_net: Network):
    lab_net.dns.set_zone("snorl.ax", RECORDS)
    yield "snorl.ax"
    lab_net.dns.remove_zone("snorl.ax")


@pytest.mark.machine
def test_answers_are_validated(lab_net: Network, zone: str) -> None:
    lab_net.dns.set_reverse({"198.18.9.9": "mail.snorl.ax", "2001:2:0:9::9": "mail.snorl.ax"})
    expected = {
        ("snorl.ax", "MX"): ["10 mail.snorl.ax."],
        ("snorl.ax", "TXT"): ['"v=spf1 mx -all"'],
        ("snorl.ax", "AAAA"): [],
        ("www.snorl.ax", "A"): ["198.18.9.9"],
        ("sel._domainkey.snorl.ax", "TXT"): ['"v=DKIM1; k=rsa; " "p=MIIB"'],
        ("none.snorl.ax", "A"): [],
        ("no-such-domain.ax", "MX"): [],
        ("9.9.18.198.in-addr.arpa", "PTR"): ["mail.snorl.ax."],
    }
    for (name, kind), records in expected.items():
        assert lab_net.dns.lookup(name, kind) == (records, True), name


@pytest.mark.machine
def test_a_change_is_live_when_the_call_returns(lab_net: Network, zone: str) -> None:
    for number in range(1, 6):
        lab_net.dns.set_zone(zone, [f"host{number} A 198.18.9.{number}"])
        assert lab_net.dns.lookup(f"host{number}.snorl.ax") == ([f"198.18.9.{number}"], True)
        assert lab_net.dns.lookup(f"host{number - 1}.snorl.ax") == ([], True)


@pytest.mark.machine
def test_a_zone_below_another_is_delegated(lab_net: Network, zone: str) -> None:
    lab_net.dns.set_zone("sub.snorl.ax", "@ TXT below")
    assert lab_net.dns.lookup("sub.snorl.ax", "TXT") == (['"below"'], True)
    lab_net.dns.remove_zone("sub.snorl.ax")
    assert lab_net.dns.lookup("sub.snorl.ax", "TXT") == ([], True)


@pytest.mark.machine
@pytest.mark.parametrize(
    ("origin", "records", "said"),
    [
        ("a..b", "", "not a domain name"),
        ("a.b", "\nx A 1.2.3", "near line [23]"),
        ("a.b", "x WHAT 1", "near line 1"),
    ],
)
def test_bad_records_are_refused_and_change_nothing(lab_net: Network, origin, records, said) -> None:
    before = lab_net.dns.zones()
    with pytest.raises(LabError, match=said):
        lab_net.dns.set_zone(origin, records)
    assert lab_net.dns.zones() == before


@pytest.mark.machine
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_debian_s_own_unbound_recurses_and_validates(lab_net: Network, zone: str, suite: str) -> None:
    machine = lab_net.machine(f"unbound-{suite}", suite)
    assert "198.18.9.9" in machine.run(["getent", "ahostsv4", "mail.snorl.ax"]).stdout
    machine.run("apt-get -q update; apt-get -q -y --no-install-recommends install unbound dns-root-data")
    query = dns.message.make_query("snorl.ax", "MX", want_dnssec=True)
    with netns.entered(machine.namespace):
        answer = dns.query.udp(query, "127.0.0.1", timeout=30)
    assert "10 mail.snorl.ax." in answer.answer[0].to_text()
    assert answer.flags & dns.flags.AD
    machine.destroy()
