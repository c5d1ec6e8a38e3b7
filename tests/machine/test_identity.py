"""What the host calls itself, and where its own names lead: hostname, hosts, mailname, forward and reverse."""

from __future__ import annotations

import json

import pytest
from tests.machine.conftest import publish
from tests.machine.server import DOMAIN, HOST, Server

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]
HOSTS = "/etc/hosts"


def test_the_host_is_named_and_finds_itself_without_dns(server: Server) -> None:
    assert server.run(["hostname", "-f"]).stdout.strip() == HOST
    assert server.machine.read("/etc/hostname") == f"{HOST}\n"
    assert server.machine.read("/etc/mailname") == f"{DOMAIN}\n"
    own = {server.machine.ipv4, server.machine.ipv6}
    with server.stopped("unbound", "unbound"):
        found = server.run(["getent", "-s", "files", "ahosts", HOST]).stdout
        # Debian's installer gives the name to 127.0.1.1 as well, which stays, behind ours.
        assert {line.split()[0] for line in found.splitlines()} - {"127.0.1.1"} == own
        for address in own:
            assert server.run(["getent", "-s", "files", "hosts", address]).stdout.split()[1] == HOST


def test_what_others_wrote_into_hosts_stays(server: Server) -> None:
    before = server.machine.read(HOSTS)
    server.machine.write(HOSTS, f"{before}192.0.2.9 printer\n")
    assert "Nothing to do" in server.posthouse("plan").stdout
    server.posthouse("apply", "--yes")
    assert server.machine.read(HOSTS) == f"{before}192.0.2.9 printer\n"
    assert "No file was changed by hand" in server.posthouse("drift", "show").stdout
    server.machine.write(HOSTS, before)
    server.posthouse("apply", "--yes")
    assert server.machine.read(HOSTS) == before


def test_a_reverse_name_that_does_not_lead_back_is_told(server: Server) -> None:
    address = server.machine.ipv6
    server.net.dns.set_ptr(address, "somebody.example")
    try:
        done = server.posthouse("dns", "check", "--json", check=False)
        items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    finally:
        publish(server.net, server.machine)
    assert done.returncode == 1
    (wrong,) = [
        one for one in json.loads(done.stdout)["records"] if one["type"] == "PTR" and one["state"] == "wrong"
    ]
    assert wrong["value"] == f"{HOST}."
    assert "somebody.example" in wrong["detail"]
    assert any(item["name"] == "DNS" and "reverse name" in item["detail"] and item["mend"] for item in items)
