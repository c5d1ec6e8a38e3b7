"""Records published by dynamic update at a real name server, and a key that changes without a hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.machine.server import PASSWORD, Server, letter, unique
from tests.machine.test_mail import signature_verifies

from posthouse import paths
from posthouse.lab.internet import Internet, Primary

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]
SECRET = "/etc/posthouse/tsig-secret"


@contextmanager
def domain_at(server: Server, internet: Internet, records: list[str]) -> Iterator[Primary]:
    """A domain of the server's whose name server takes updates, which the site file says."""
    primary = internet.primary(f"pushed-{unique()}.example", records)
    server.posthouse("domain", "add", primary.domain)
    server.machine.write(SECRET, f"{primary.secret}\n", mode=0o600)
    before = server.machine.read(str(paths.SITE_FILE))
    table = f'\n[dns.update]\nserver = "{primary.host.ipv4}"\nkey = "posthouse"\nsecret_file = "{SECRET}"\n'
    server.machine.write(str(paths.SITE_FILE), before + table)
    yield primary
    server.machine.write(str(paths.SITE_FILE), before)
    server.posthouse("user", "remove", f"ann@{primary.domain}", "--yes", check=False)
    server.run(["rm", "-f", SECRET, "/var/lib/posthouse/dns-written.json"])
    server.posthouse("domain", "remove", primary.domain, "--yes")
    server.net.dns.remove_zone(primary.domain)
    primary.host.stop()


@pytest.fixture
def primary(server: Server, internet: Internet) -> Iterator[Primary]:
    with domain_at(server, internet, ['@ TXT "a word of somebody else"', "www A 198.51.100.7"]) as primary:
        yield primary


@pytest.fixture
def taken(server: Server, internet: Internet) -> Iterator[Primary]:
    with domain_at(
        server, internet, ["@ MX 5 elsewhere.example.", '@ TXT "v=spf1 ip4:192.0.2.1 -all"']
    ) as taken:
        yield taken


def shown(server: Server, name: str, kind: str = "TXT") -> list[str]:
    return server.net.dns.lookup(name, kind)[0]


def keys(server: Server, domain: str) -> dict[str, str]:
    found = json.loads(server.posthouse("dkim", "list", "--json").stdout)
    states = {one["selector"]: one["state"] for one in found if one["domain"] == domain}
    rsa = {name: state for name, state in states.items() if not name.endswith("-ed25519")}
    assert states == rsa | {f"{name}-ed25519": state for name, state in rsa.items()}
    return rsa


def later(server: Server, domain: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let what a domain waits for be over."""
    path = f"{paths.DKIM}/rotations.json"
    state = json.loads(server.machine.read(path))
    change(state[domain])
    server.machine.write(path, json.dumps(state))
    server.run(["chown", "--reference", f"{paths.DKIM}/selectors.map", path])


def test_all_records_are_published_and_nobody_elses_are_touched(server: Server, primary: Primary) -> None:
    domain = primary.domain
    refused = server.posthouse("dns", "push", domain, check=False)
    assert refused.returncode == 2
    assert f"+ {domain}. 3600 IN MX" in refused.stdout
    assert shown(server, domain, "MX") == []
    done = server.posthouse("dns", "push", domain, "--yes")
    assert primary.secret not in done.stdout + done.stderr
    assert server.posthouse("dns", "check", domain, check=False).returncode == 0
    assert '"a word of somebody else"' in shown(server, domain)
    again = server.posthouse("dns", "push", domain)
    assert "+ " not in again.stdout
    assert "- " not in again.stdout


def test_what_another_hand_wrote_is_in_the_way_until_it_goes(server: Server, taken: Primary) -> None:
    domain = taken.domain
    done = server.posthouse("dns", "push", domain, "--yes", check=False)
    assert done.returncode == 1
    assert "5 elsewhere.example." in done.stdout
    assert "v=spf1 ip4:192.0.2.1 -all" in done.stdout
    assert shown(server, domain, "MX") == ["5 elsewhere.example."]
    assert shown(server, f"_dmarc.{domain}")  # the rest is there

    server.machine.write(SECRET, "bm90IHRoZSBrZXk=\n", mode=0o600)
    wrong = server.posthouse("dns", "push", domain, "--yes", check=False)
    assert wrong.returncode == 1
    assert "does not take the key" in wrong.stderr
    server.machine.write(SECRET, "no base 64\n", mode=0o644)
    open_file = server.posthouse("dns", "push", domain, "--yes", check=False)
    assert "others than root may read" in open_file.stderr
    for said in (wrong, open_file):
        assert "Traceback" not in said.stderr
    taken.host.stop()
    server.machine.write(SECRET, f"{taken.secret}\n", mode=0o600)
    gone = server.posthouse("dns", "push", domain, "--yes", check=False)
    assert gone.returncode == 1
    assert f"the name server {taken.host.ipv4} could not be asked" in gone.stderr


def test_a_key_changes_without_a_hand(server: Server, primary: Primary) -> None:
    domain = primary.domain
    ann = f"ann@{domain}"
    server.posthouse("user", "add", ann, "--password-stdin", input=f"{PASSWORD}\n")
    server.posthouse("dns", "push", domain, "--yes")
    (old,) = keys(server, domain)
    site = server.machine.read(str(paths.SITE_FILE))
    server.machine.write(str(paths.SITE_FILE), f"{site}\n[dkim]\nrotate_days = 30\n")
    server.posthouse("dkim", "rotate", "--due")
    assert list(keys(server, domain)) == [old]  # it is new
    server.run(["touch", "-d", "31 days ago", f"{paths.DKIM}/{domain}.{old}.key"])

    server.posthouse("dkim", "rotate", "--due")
    assert keys(server, domain) == {old: "signs", f"{old}b": "next"}
    assert shown(server, f"{old}b._domainkey.{domain}")
    assert shown(server, f"{old}b-ed25519._domainkey.{domain}")
    later(server, domain, lambda state: state.update(ready=1.0))
    server.posthouse("dkim", "rotate", "--due")
    assert keys(server, domain) == {old: "retired", f"{old}b": "signs"}
    assert shown(server, f"{old}._domainkey.{domain}")  # mail that it signed is on its way
    subject = server.send(letter(ann), sender=ann, port=587, user=ann)
    assert signature_verifies(server, subject)
    used = [str(one) for one in server.find(subject).get_all("DKIM-Signature", [])]
    assert all(f"s={old}b" in one for one in used)
    assert len(used) == 2

    later(server, domain, lambda state: state["retired"][0].update(until=1.0))
    server.posthouse("dkim", "rotate", "--due")
    assert (
        shown(server, f"{old}._domainkey.{domain}")
        == shown(server, f"{old}-ed25519._domainkey.{domain}")
        == []
    )
    assert keys(server, domain) == {f"{old}b": "signs"}
