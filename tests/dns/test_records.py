"""The records, as people, name servers and programs read them."""

from __future__ import annotations

import dns.name
import dns.rdatatype
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.dkim import keys
from posthouse.dns import records, show
from posthouse.dns.record import Record
from posthouse.site.model import Dmarc, Network, Site, Tls, Web
from posthouse.site.relay import Identity, Relay, Route

SITE = Site(
    domain="snorl.ax",
    hostname="mail.snorl.ax",
    postmaster="user@snorl.ax",
    network=Network(ipv4="198.18.0.10", ipv6="2001:2::10"),
    dmarc=Dmarc(policy="reject", report_to="reports"),
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> keys.Key:
    return keys.ensure("snorl.ax", tmp_path_factory.mktemp("dkim"))


WEB = {(f"{label}.snorl.ax.", "CNAME") for label in ("mta-sts", "autoconfig", "autodiscover")}


def zone(lines: list[str], origin: str = "snorl.ax.") -> dns.zone.Zone:
    """What a name server makes of the lines, under the SOA and NS that its operator has."""
    head = (
        f"{origin} 3600 IN SOA ns.{origin} x.{origin} 1 3600 600 86400 60\n{origin} 3600 IN NS ns.example.\n"
    )
    return dns.zone.from_text(
        head + "\n".join(lines) + "\n", origin=None if origin == "." else origin, relativize=False
    )


def test_a_name_server_takes_the_zone_lines(key: keys.Key) -> None:
    lines = [record.zone_line for record in records.wanted(SITE, ["snorl.ax"], [key])]
    assert "snorl.ax. 3600 IN MX 10 mail.snorl.ax." in lines
    assert all("\n" not in line for line in lines)
    read = zone(lines)
    texts = {
        name.to_text(): "".join(part.decode() for part in data.strings)
        for name, _, data in read.iterate_rdatas(dns.rdatatype.TXT)
    }
    assert texts == {
        "snorl.ax.": "v=spf1 mx -all",
        "mail.snorl.ax.": "v=spf1 a -all",
        f"{key.selector}._domainkey.snorl.ax.": key.public_record,
        "_dmarc.snorl.ax.": "v=DMARC1; p=reject; sp=reject; adkim=r; aspf=r; fo=1; rf=afrf; "
        "rua=mailto:reports@snorl.ax",
        "_smtp._tls.snorl.ax.": "v=TLSRPTv1; rua=mailto:reports@snorl.ax",
    }
    services = {name.to_text(): data.to_text() for name, _, data in read.iterate_rdatas(dns.rdatatype.SRV)}
    assert services["_imaps._tcp.snorl.ax."] == "0 1 993 mail.snorl.ax."
    assert services["_submissions._tcp.snorl.ax."] == "0 1 465 mail.snorl.ax."
    assert [data.to_text() for _, _, data in read.iterate_rdatas(dns.rdatatype.A)] == ["198.18.0.10"]
    assert [data.to_text() for _, _, data in read.iterate_rdatas(dns.rdatatype.AAAA)] == ["2001:2::10"]
    comments = [line for line in lines if line.startswith(";")]
    assert "; 10.0.18.198.in-addr.arpa. 3600 IN PTR mail.snorl.ax." in comments
    assert len(comments) == 2


def test_other_domains_and_no_addresses(key: keys.Key) -> None:
    site = SITE.model_copy(update={"network": Network()})
    found = records.wanted(site, ["snorl.ax", "b.example"], [key])
    assert {record.type for record in found} == {"MX", "TXT", "SRV"}
    names = [record.name for record in found if record.name.endswith("b.example.")]
    assert names[:4] == ["b.example.", "b.example.", "_dmarc.b.example.", "_smtp._tls.b.example."]


def test_text_and_json(key: keys.Key) -> None:
    found = records.of_domain(SITE, "snorl.ax", [key])
    text = show.text(found)
    assert key.public_record in text
    (shown,) = [show.plain(record) for record in found if "DKIM1" in record.value]
    assert shown["value"] == key.public_record == "".join(shown["strings"])
    assert len(shown["strings"]) == 2
    assert " ".join(f'"{part}"' for part in shown["strings"]) in text
    assert "strings" not in show.plain(found[0])


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=700))
def test_any_text_survives_a_zone_file(value: str) -> None:
    record = Record("x.snorl.ax.", "TXT", value, "", "spf")
    read = zone([record.zone_line])
    ((_, _, data),) = read.iterate_rdatas(dns.rdatatype.TXT)
    assert "".join(part.decode() for part in data.strings) == value
    assert all(len(part) <= 255 for part in data.strings)


RELAYED = SITE.model_copy(
    update={
        "relay": Relay(
            provider="ses",
            region="eu-west-1",
            username="A",
            password_file="/etc/posthouse/p",
            route=[
                Route.model_validate(
                    {"from": "second.example", "host": "smtp.example.org", "spf": "include:x.example"}
                ),
            ],
            identity=[
                Identity(domain="snorl.ax", dkim_tokens=["abc"], mail_from="bounce.snorl.ax"),
                Identity(
                    domain="second.example",
                    cnames={"em1.second.example": "u1.example.org", "s1._domainkey": "s1.example.org"},
                ),
            ],
        )
    }
)


def test_records_follow_the_smart_host() -> None:
    lines = [record.zone_line for record in records.wanted(RELAYED, ["snorl.ax", "second.example"], [])]
    for line in (
        'snorl.ax. 3600 IN TXT "v=spf1 mx include:amazonses.com -all"',
        "abc._domainkey.snorl.ax. 3600 IN CNAME abc.dkim.amazonses.com.",
        "bounce.snorl.ax. 3600 IN MX 10 feedback-smtp.eu-west-1.amazonses.com.",
        'bounce.snorl.ax. 3600 IN TXT "v=spf1 include:amazonses.com -all"',
        'second.example. 3600 IN TXT "v=spf1 mx include:x.example -all"',
        "em1.second.example. 3600 IN CNAME u1.example.org.",
        "s1._domainkey.second.example. 3600 IN CNAME s1.example.org.",
    ):
        assert line in lines
    assert not [line for line in lines if "bounce" in line and "second" in line]


def test_what_tells_of_the_certificate() -> None:
    assert not {"TLSA", "CAA"} & {record.type for record in records.of_host(SITE)}
    site = SITE.model_copy(update={"tls": Tls(mode="acme")})
    found = records.of_host(site, ["ab" * 32, "cd" * 32])
    read = zone([record.zone_line for record in found])
    pins = [data.to_text() for _, _, data in read.iterate_rdatas(dns.rdatatype.TLSA)]
    assert sorted(pins) == [f"3 1 1 {'ab' * 32}", f"3 1 1 {'cd' * 32}"]
    assert [data.to_text() for _, _, data in read.iterate_rdatas(dns.rdatatype.CAA)] == [
        '0 issue "letsencrypt.org"'
    ]
    assert {record.level for record in found if record.role in ("tlsa", "caa")} == {"recommended"}
    unknown = Tls(mode="acme", acme_server="https://acme.example/dir")
    assert not [r for r in records.of_host(SITE.model_copy(update={"tls": unknown})) if r.type == "CAA"]


@pytest.mark.parametrize(
    ("tls", "trusted", "found"),
    [
        (Tls(), set(), set()),
        (
            Tls(),
            {"mail.snorl.ax", "mta-sts.snorl.ax"},
            set(),
        ),  # what was there before, and is not asked for any more
        (Tls(mode="acme"), set(), WEB),
        (Tls(mode="acme"), {"mail.snorl.ax"}, WEB | {("_autodiscover._tcp.snorl.ax.", "SRV")}),
        (
            Tls(mode="acme"),
            {"mail.snorl.ax", "mta-sts.snorl.ax"},
            WEB | {("_autodiscover._tcp.snorl.ax.", "SRV"), ("_mta-sts.snorl.ax.", "TXT")},
        ),
        (Tls(mode="acme", webroot="/var/www/html"), {"mail.snorl.ax"}, set()),
        (Tls(mode="files", folder="/etc/ssl/own"), {"mail.snorl.ax", "mta-sts.snorl.ax"}, set()),
    ],
)
def test_nothing_is_promised_by_https_that_is_not_kept(
    tls: Tls, trusted: set[str], found: set[tuple[str, str]]
) -> None:
    site = SITE.model_copy(update={"tls": tls})
    listed = records.of_domain(site, "snorl.ax", [], trusted.__contains__)
    names = {(one.name, one.type) for one in listed} - {
        (one.name, one.type) for one in records.of_domain(SITE, "snorl.ax", [])
    }
    assert names == found
    assert all(one.level == "recommended" for one in listed if (one.name, one.type) in found)
    zone([record.zone_line for record in listed])


def test_with_files_the_names_that_the_certificate_is_for() -> None:
    own = {"tls": Tls(mode="files", folder="/etc/ssl/own"), "web": Web(enabled=True)}
    trusted = {"mail.snorl.ax", "mta-sts.snorl.ax"}.__contains__
    listed = records.of_domain(SITE.model_copy(update=own), "snorl.ax", [], trusted)
    found = {(one.role, one.name): one.value for one in listed if one.role in ("web-name", "mta-sts")}
    assert found["web-name", "mta-sts.snorl.ax."] == "mail.snorl.ax."
    assert found["mta-sts", "_mta-sts.snorl.ax."].startswith("v=STSv1; id=")
    assert len(found) == 2
