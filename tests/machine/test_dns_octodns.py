"""Records published by the API of a DNS provider, through octoDNS, at a real PowerDNS; and a key that changes so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.machine.server import Server, unique
from tests.machine.test_dns_push import keys, later, shown

from posthouse import paths
from posthouse.lab.internet import PowerDns
from posthouse.lab.internet.powerdns import PORT

pytestmark = [pytest.mark.machine, pytest.mark.full]  # a second machine, and octoDNS from the registry
SECRET = "/etc/posthouse/provider-key"
SITE = """
[dns.octodns]
provider = "octodns_powerdns.PowerDnsProvider"
settings = {{ host = "{host}", port = {port} }}
secrets = {{ api_key = "{secret}" }}
"""


@pytest.fixture(scope="module")
def provider(server: Server) -> Iterator[PowerDns]:
    """The provider, which the site file names."""
    machine = server.net.machine("provider", server.machine.spec.suite)
    made = PowerDns.on(server.net, machine)
    server.machine.write(SECRET, f"{made.key}\n", mode=0o600)
    before = server.machine.read(str(paths.SITE_FILE))
    table = SITE.format(host=machine.ipv4, port=PORT, secret=SECRET)
    server.machine.write(str(paths.SITE_FILE), before + table)
    yield made
    server.machine.write(str(paths.SITE_FILE), before)
    server.run(["rm", "-f", SECRET, "/var/lib/posthouse/dns-written.json"])
    made.stop()
    machine.destroy()


@pytest.fixture
def domain(server: Server, provider: PowerDns) -> Iterator[str]:
    """A domain of the server's that the provider holds, with records of somebody else's."""
    name = f"provided-{unique()}.example"
    provider.add(
        name, ['@ TXT "a word; of somebody else"', "www A 198.51.100.7", "old MX 5 elsewhere.example."]
    )
    server.posthouse("domain", "add", name)
    yield name
    server.posthouse("domain", "remove", name, "--yes")
    server.net.dns.remove_zone(name)


def test_all_records_are_published_and_nobody_elses_are_touched(
    server: Server, provider: PowerDns, domain: str
) -> None:
    refused = server.posthouse("dns", "push", domain, check=False)
    assert refused.returncode == 2, refused.stderr
    assert f"+ {domain}. 3600 IN MX" in refused.stdout
    assert shown(server, domain, "MX") == []
    done = server.posthouse("dns", "push", domain, "--yes")
    assert provider.key not in refused.stdout + refused.stderr + done.stdout + done.stderr
    checked = server.posthouse("dns", "check", domain, check=False)
    assert checked.returncode == 0, checked.stdout
    assert '"a word; of somebody else"' in shown(server, domain)
    assert shown(server, f"www.{domain}", "A") == ["198.51.100.7"]
    assert shown(server, f"old.{domain}", "MX") == ["5 elsewhere.example."]
    again = server.posthouse("dns", "push", domain)
    assert "Nothing to change" in again.stdout


def test_what_another_hand_wrote_is_in_the_way_until_it_goes(
    server: Server, provider: PowerDns, domain: str
) -> None:
    provider._util("add-record", domain, "@", "MX", "60", "5 elsewhere.example.")
    done = server.posthouse("dns", "push", domain, "--yes", check=False)
    assert done.returncode == 1
    assert "5 elsewhere.example." in done.stdout
    assert shown(server, domain, "MX") == ["5 elsewhere.example."]
    assert shown(server, f"_dmarc.{domain}")  # the rest is there

    server.machine.write(SECRET, "not the key\n", mode=0o600)
    wrong = server.posthouse("dns", "push", domain, "--yes", check=False)
    assert wrong.returncode == 1
    assert "could not say which zones it holds" in wrong.stderr
    assert "not the key" not in wrong.stderr
    server.machine.write(SECRET, f"{provider.key}\n", mode=0o600)
    provider.stop()
    gone = server.posthouse("dns", "push", domain, "--yes", check=False)
    provider.start()
    assert gone.returncode == 1
    assert "See that the provider can be reached" in gone.stderr
    for said in (wrong, gone):
        assert "Traceback" not in said.stderr


def test_a_key_changes_without_a_hand(server: Server, domain: str) -> None:
    server.posthouse("dns", "push", domain, "--yes")
    (old,) = keys(server, domain)
    server.posthouse("dkim", "rotate", domain, "--yes", check=False)
    assert keys(server, domain) == {old: "signs", f"{old}b": "next"}
    assert shown(server, f"{old}b._domainkey.{domain}")
    assert shown(server, f"{old}b-ed25519._domainkey.{domain}")
    later(server, domain, lambda state: state.update(ready=1.0))
    server.posthouse("dkim", "rotate", "--due")
    assert keys(server, domain) == {old: "retired", f"{old}b": "signs"}
    later(server, domain, lambda state: state["retired"][0].update(until=1.0))
    server.posthouse("dkim", "rotate", "--due")
    for name in (old, f"{old}-ed25519"):
        assert shown(server, f"{name}._domainkey.{domain}") == []
    assert '"a word; of somebody else"' in shown(server, domain)
