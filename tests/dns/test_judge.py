"""What is published, judged by its meaning."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.dns import judge
from posthouse.dns.record import Record
from posthouse.dns.records import dmarc_text
from posthouse.site.model import Dmarc

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "w1x2y3z4" * 40 + "IDAQAB"


def record(role: str, value: str) -> Record:
    kinds = {"address": "A", "reverse": "PTR", "mx": "MX"}
    return Record("x.snorl.ax.", kinds.get(role, "TXT"), value, "", role)  # type: ignore[arg-type]


DKIM = record("dkim", f"v=DKIM1; h=sha256; k=rsa; s=email; p={KEY}")
MX = record("mx", "10 mail.snorl.ax.")
SPF = record("spf", "v=spf1 mx -all")
DMARC = record("dmarc", dmarc_text(Dmarc(), "snorl.ax"))
TLSA = record("tlsa", f"3 1 1 {'ab' * 32}")
CAA = record("caa", '0 issue "letsencrypt.org"')
SRV = record("srv", "0 1 993 mail.snorl.ax.")
REPORTS = record("tls-rpt", "v=TLSRPTv1; rua=mailto:reports@snorl.ax")


def passes(text: str) -> None:
    """Every address passes."""


def state(wanted: Record, *values: str, spf: judge.SpfCheck = passes) -> str:
    return judge.judge(wanted, values, spf).state


@pytest.mark.parametrize(
    "wanted", [DKIM, MX, SPF, DMARC, TLSA, CAA, SRV, REPORTS, record("address", "198.18.0.1")]
)
def test_what_is_wanted_is_right_and_nothing_is_missing(wanted: Record) -> None:
    assert judge.judge(wanted, (wanted.value,), passes) == judge.Judgement("ok")
    assert state(wanted) == "missing"


def test_mx() -> None:
    assert state(MX, "5 MAIL.snorl.ax.") == "ok"
    assert state(MX, "10 mail.snorl.ax.", "20 backup.example.") == "ok"
    assert state(MX, "10 mail.snorl.ax.", "5 other.example.") == "warning"
    assert state(MX, "10 mail.snorl.ax.", "10 other.example.") == "warning"
    assert state(MX, "10 other.example.") == "wrong"
    assert "RFC 7505" in judge.judge(MX, ("0 .",), passes).detail


def test_spf_counts_by_what_it_lets_pass() -> None:
    assert state(SPF, "v=spf1 include:_spf.example ip4:198.18.0.1 ~all") == "ok"
    assert state(SPF, "verification=4711", "v=spf1 a -all") == "ok"
    assert state(SPF, "v=spf10 a -all", "other") == "missing"
    assert state(SPF, "v=spf1 a -all", "v=spf1 mx -all") == "wrong"
    assert state(SPF, "v=spf1 +all") == "wrong"
    assert state(SPF, "v=spf1 all") == "wrong"
    assert state(SPF, "v=spf1 a ?all") == "warning"
    assert state(SPF, "v=spf1 redirect=_spf.example") == "ok"
    found = judge.judge(SPF, ("v=spf1 -all",), lambda _: ("198.18.0.1", "fail", "SPF fail"))
    assert found.state == "wrong"
    assert "198.18.0.1 gets fail" in found.detail
    assert state(SPF, "v=spf1 a -all", spf=lambda _: ("198.18.0.1", "temperror", "")) == "unknown"


@given(st.integers(0, len(KEY) - 1))
def test_a_key_that_a_panel_cut_is_said_with_its_byte(length: int) -> None:
    found = judge.judge(DKIM, (f"v=DKIM1; k=rsa; p={KEY[:length]}",), passes)
    assert found.state == "wrong"
    assert (f"cut after {length} of {len(KEY)}" if length else "withdraws") in found.detail


@given(st.integers(0, len(KEY) - 1), st.sampled_from(string.ascii_letters + string.digits + '"'))
def test_a_key_with_a_foreign_character_is_said_with_its_byte(at: int, character: str) -> None:
    shown = KEY[:at] + character + KEY[at + 1 :]
    found = judge.judge(DKIM, (f"p={shown}",), passes)
    if shown == KEY:
        assert found.state == "ok"
    else:
        assert found.state == "wrong"
        assert f"character {at + 1}" in found.detail


def test_dkim_by_meaning() -> None:
    assert state(DKIM, f"p={KEY}") == "ok"
    assert state(DKIM, f"v=DKIM1;t=s;k=rsa; p={KEY[:100]} {KEY[100:]};") == "ok"
    assert state(DKIM, f"k=rsa; v=DKIM1; p={KEY}") == "wrong"
    assert state(DKIM, f"v=DKIM1; t=y; p={KEY}") == "warning"
    assert state(DKIM, f"v=DKIM1; h=sha1; p={KEY}") == "wrong"
    assert state(DKIM, f"v=DKIM1; s=tlsrpt; p={KEY}") == "wrong"
    assert state(DKIM, f"v=DKIM1; k=ed25519; p={KEY}") == "wrong"
    assert state(DKIM, f"v=DKIM1; p={KEY}; p={KEY}") == "wrong"
    assert state(DKIM, DKIM.value, DKIM.value) == "wrong"
    assert state(DKIM, "v=spf1 -all") == "wrong"


def test_dmarc_by_meaning() -> None:
    assert state(DMARC, DMARC.value.replace("; ", ";").replace("adkim=r;", "")) == "ok"
    assert state(DMARC, DMARC.value.replace("p=quarantine", "p=none", 1)) == "warning"
    assert state(DMARC, "v=DMARC1; p=everything") == "wrong"
    assert state(DMARC, "v=DMARC1") == "wrong"
    assert state(DMARC, DMARC.value, DMARC.value) == "wrong"
    assert "p=none" in judge.judge(DMARC, ("v=DMARC1; p=none; rua=mailto:x@y.example",), passes).detail


def test_every_dmarc_tag() -> None:
    site = Dmarc(
        policy="reject", subdomain_policy="none", dkim_alignment="strict", spf_alignment="strict",
        failure_options="1:d:s", percent=20, report_interval=3600, report_to="reports", failures_to="f@snorl.ax",
    )  # fmt: skip
    assert dmarc_text(site, "b.example") == (
        "v=DMARC1; p=reject; sp=none; adkim=s; aspf=s; fo=1:d:s; rf=afrf; pct=20; ri=3600; "
        "rua=mailto:reports@b.example; ruf=mailto:f@snorl.ax"
    )


@given(
    st.sampled_from([DKIM, MX, SPF, DMARC, record("reverse", "mail.snorl.ax."), record("address", "::1")]),
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300), max_size=4),
)
def test_anything_can_be_judged(wanted: Record, values: list[str]) -> None:
    if wanted is MX:  # what a name server says has the form of its type
        values = [f"{len(value)} {value.replace(' ', '')}." for value in values]
    assert judge.judge(wanted, tuple(values), passes).state in judge.STATES


def test_what_a_smart_host_needs() -> None:
    spf = record("spf", "v=spf1 mx include:relay.example -all")
    assert state(spf, "v=spf1 mx include:relay.example ~all") == "ok"
    assert state(spf, "v=spf1 mx -all") == "warning"
    mail_from = record("relay-spf", "v=spf1 include:relay.example -all")
    assert state(mail_from, "v=spf1 include:relay.example ~all") == "ok"
    assert state(mail_from) == "missing"
    name = record("relay-name", "x.relay.example.")
    assert state(name, "X.relay.example.") == "ok"
    assert state(name, "y.relay.example.") == "wrong"


def test_what_tells_of_the_certificate() -> None:
    assert state(TLSA, f"3 1 1 {'AB' * 32}", f"3 1 1 {'cd' * 32}") == "ok"
    assert state(TLSA, f"3 1 1 {'cd' * 32}") == "wrong"
    assert state(CAA, '0 issue "letsencrypt.org; accounturi=x"', '0 iodef "mailto:x@snorl.ax"') == "ok"
    assert state(CAA, '0 issue "other.example"') == "wrong"
    assert state(CAA, '0 issue ";"') == "wrong"


def test_what_mail_programs_find() -> None:
    assert state(SRV, "20 5 993 MAIL.snorl.ax.") == "ok"
    assert state(SRV, "0 1 993 other.example.") == "wrong"
    assert state(SRV, "0 1 143 mail.snorl.ax.") == "wrong"
    assert state(SRV, "0 1 993 mail.snorl.ax.", "10 1 993 other.example.") == "warning"


def test_reports_of_tls() -> None:
    assert state(REPORTS, "v=TLSRPTv1;rua=https://x.example/,mailto:Reports@snorl.ax") == "ok"
    assert state(REPORTS, "v=TLSRPTv1; rua=mailto:x@y.example") == "ok"
    assert state(REPORTS, "v=TLSRPTv1; rua=nobody") == "wrong"
    assert state(REPORTS, "v=TLSRPTv1; rua=mailto:a@b.c", "v=TLSRPTv1; rua=mailto:a@b.c") == "wrong"
    assert state(REPORTS, "something else") == "missing"


@given(st.lists(st.text(max_size=60), max_size=4))
def test_nothing_that_is_published_for_them_raises(values: list[str]) -> None:
    for wanted in (TLSA, CAA, SRV, REPORTS):
        assert state(wanted, *values) in judge.STATES


STS = record("mta-sts", "v=STSv1; id=abc1")


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ((), "missing"),
        (("v=spf1 -all",), "missing"),
        (("v=STSv1; id=abc1",), "ok"),
        (("v=STSv1;id=abc1;", "another word"), "ok"),
        (("v=STSv1; id=abc1;  x=y",), "ok"),
        (("v=STSv1; id=abc0",), "wrong"),
        (("v=STSv1; id=abc1", "v=STSv1; id=abc1;"), "wrong"),
        (("v=STSv1;",), "wrong"),
        (("v=STSv1; id=a-b",), "wrong"),
        (("v=STSv1; id=" + "a" * 33,), "wrong"),
    ],
)
def test_mta_sts(values: tuple[str, ...], state: str) -> None:
    assert judge.judge(STS, values, lambda _: None).state == state


def test_hosts_that_the_policy_does_not_name() -> None:
    policy = ("mail.snorl.ax", "mx2.example")
    assert judge.beside(("10 mail.snorl.ax.", "20 MX2.example."), policy, "enforce").state == "ok"
    assert judge.beside(("10 mail.snorl.ax.", "20 other.example."), policy, "testing").state == "warning"
    wrong = judge.beside(("10 other.example.",), policy, "enforce")
    assert wrong.state == "wrong"
    assert "other.example" in wrong.detail
    assert judge.beside(("10 other.example.",), policy, "none").state == "ok"


def test_a_name_leads_here_by_its_addresses() -> None:
    name = record("web-name", "mail.snorl.ax.")
    ours = {"198.51.100.7", "2001:db8::7"}
    assert judge.leads_here(name, (), ours).state == "missing"
    assert judge.leads_here(name, ("198.51.100.7",), ours).state == "ok"
    assert judge.leads_here(name, ("198.51.100.7", "192.0.2.1"), ours).state == "wrong"
