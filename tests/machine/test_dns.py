"""`posthouse dns check` and the status line, against real name servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.machine.conftest import publish
from tests.machine.server import DOMAIN, HOST, Server, awaited

from posthouse.dns.records import SERVICES

pytestmark = pytest.mark.machine
SILENT = "silent.example"


@pytest.fixture
def wanted(server: Server) -> Iterator[list[str]]:
    """The lines of the zone as `dns zone` prints them; at the end the zone is again what other tests know."""
    lines = server.posthouse("dns", "zone", DOMAIN).stdout.splitlines()
    yield [line for line in lines if not line.startswith(";")]
    publish(server.net, server.machine)


def check(server: Server, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the findings by their record's type and name."""
    result = server.posthouse("dns", "check", *arguments, "--json", check=False)
    found = json.loads(result.stdout)
    assert found["ok"] is (result.returncode == 0)
    return result.returncode, {_role(one): one for one in found["records"]}


def _role(one: dict[str, Any]) -> str:
    if "-ed25519._domainkey" in one["name"]:
        return "dkim-ed25519"
    marks = (("_domainkey", "dkim"), ("_dmarc", "dmarc"), ("_smtp._tls", "tls-rpt"), ("ip6", "ptr6"))
    for mark, role in (*marks, ("in-addr", "ptr4"), *((f"{name}.", name) for name, *_ in SERVICES)):
        if mark in one["name"]:
            return role
    host = "host-" if one["name"] == f"{HOST}." else ""
    return host + str(one["type"]).lower()


def with_value(lines: list[str], old: str, new: str) -> list[str]:
    """The zone with one text replaced, which stands there."""
    assert any(old in line for line in lines)
    return [line.replace(old, new) for line in lines]


def test_what_dns_zone_prints_passes_dns_check(server: Server, wanted: list[str]) -> None:
    code, found = check(server, DOMAIN)
    assert code == 1
    assert found["dkim"]["state"] == "missing"
    assert found["dmarc"]["state"] == "missing"
    assert found["mx"]["state"] == found["ptr4"]["state"] == found["ptr6"]["state"] == "ok"
    server.net.dns.set_zone(DOMAIN, wanted)
    code, found = check(server, DOMAIN)
    assert {role: one["state"] for role, one in found.items() if one["state"] != "ok"} == {}
    assert code == 0
    text = server.posthouse("dns", "check", DOMAIN).stdout
    assert "All records are there." in text
    status = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    lines = [item for item in status if item["name"] == "DNS"]
    assert {item["state"] for item in lines if item["detail"].startswith((f"{HOST}:", f"{DOMAIN}:"))} == {
        "ok"
    }


def test_what_means_the_same_is_right(server: Server, wanted: list[str]) -> None:
    ip4 = server.machine.ipv4
    zone = with_value(wanted, "v=spf1 mx -all", f"v=spf1 ip4:{ip4} include:_spf.{DOMAIN} ~all")
    zone = [*zone, f'_spf.{DOMAIN}. 60 IN TXT "v=spf1 ip6:{server.machine.ipv6} -all"']
    server.net.dns.set_zone(DOMAIN, with_value(zone, "fo=1; rf=afrf; ", "fo=1; "))
    awaited(lambda: server.sees(f"_spf.{DOMAIN}"), "the server's resolver to forget that there was none")
    code, found = check(server, DOMAIN)
    assert code == 0, found
    assert found["txt"]["state"] == found["dmarc"]["state"] == "ok"


def test_each_fault_is_named(server: Server, wanted: list[str]) -> None:
    key = next(line for line in wanted if "_domainkey" in line)
    first = key.split('"')[1]
    zone = [line for line in wanted if line != key]
    zone = [*zone, key.split('"')[0] + f'"{first}"']  # a panel that keeps the first string only
    zone = with_value(zone, "v=spf1 mx -all", "v=spf1 include:_nothing.example -all")
    zone = with_value(zone, f"MX 10 {HOST}.", "MX 10 elsewhere.example.")
    server.net.dns.set_zone(DOMAIN, zone)
    code, found = check(server, DOMAIN)
    assert code == 1
    kept = len(first.split("p=")[1])
    assert f"cut after {kept} of " in found["dkim"]["detail"]
    assert found["txt"]["state"] == "wrong"
    assert "permerror" in found["txt"]["detail"]
    assert found["mx"]["state"] == "wrong"
    assert "elsewhere.example" in found["mx"]["detail"]
    text = server.posthouse("dns", "check", DOMAIN, check=False).stdout
    assert f"publish: {DOMAIN}. 3600 IN MX 10 {HOST}." in text


def test_a_reverse_name_that_somebody_else_has(server: Server, wanted: list[str]) -> None:
    server.net.dns.set_zone(DOMAIN, wanted)
    server.net.dns.set_reverse({server.machine.ipv4: "pool-17.provider.example"})
    code, found = check(server, DOMAIN)
    assert code == 1
    assert "pool-17.provider.example" in found["ptr4"]["detail"]
    assert found["ptr6"]["state"] == "ok"


def test_name_servers_that_do_not_answer_are_unknown_and_not_wrong(server: Server) -> None:
    server.posthouse("domain", "add", SILENT)
    server.net.dns.set_silent(SILENT, "198.18.3.250")
    code, found = check(server, SILENT)
    assert code == 1
    assert found["mx"]["state"] == "unknown"
    assert found["mx"]["detail"]
    server.posthouse("domain", "remove", SILENT, "--yes")
    server.net.dns.remove_zone(SILENT)


def test_a_further_resolver_that_cannot_be_reached_is_unknown(server: Server, wanted: list[str]) -> None:
    server.net.dns.set_zone(DOMAIN, wanted)
    before = server.machine.read("/etc/posthouse/posthouse.toml")
    server.machine.write("/etc/posthouse/posthouse.toml", before + '\n[dns]\nresolvers = ["127.0.0.66"]\n')
    try:
        code, found = check(server, DOMAIN)
    finally:
        server.machine.write("/etc/posthouse/posthouse.toml", before)
    assert code == 0
    assert found["mx"]["state"] == "ok"
    assert "unknown what 127.0.0.66 shows" in found["mx"]["detail"]
