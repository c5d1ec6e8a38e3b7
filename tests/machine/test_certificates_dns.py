"""Certificates whose names are proven by records (DNS-01), at a real name server that takes updates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import publish
from tests.machine.server import DOMAIN, HOST, Server, awaited, letter
from tests.machine.test_certificates import (
    CA_FILE,
    SITE_FILE,
    TRIES,
    certificate,
    everywhere,
    pebble,
    renew,
    vouching,
)

from posthouse.lab.internet import Authority, Internet, Pebble, Primary

pytestmark = [pytest.mark.machine, pytest.mark.full]  # some minutes a ground
__all__ = ["pebble", "vouching"]  # fixtures

SECRET = "/etc/posthouse/tsig-secret"
INSIDE = f"inside.{DOMAIN}"  # leads to nowhere
NOT_OURS = "imap.elsewhere.example"
PLACE = f"_acme-challenge.{INSIDE}"


@pytest.fixture(scope="module")
def primary(server: Server, internet: Internet, vouching: Authority) -> Iterator[Primary]:
    """The domain's own name server, which knows no address of the server."""
    records = [f"@ MX 10 {HOST}.", '@ TXT "v=spf1 mx -all"', f'{PLACE}. TXT "somebody else orders too"']
    primary = internet.primary(DOMAIN, records)
    server.service("restart", "unbound", "unbound")  # it may remember whose the domain was
    server.machine.write(SECRET, f"{primary.secret}\n", mode=0o600)
    server.machine.write(CA_FILE, vouching.pem)
    before = server.machine.read(SITE_FILE)
    yield primary
    server.machine.write(SITE_FILE, before)
    server.posthouse("apply", "--yes")
    server.run(["rm", "-rf", SECRET, "/var/lib/posthouse/dns-written.json", "/var/lib/posthouse/acme"])
    server.net.dns.remove_zone(DOMAIN)
    primary.host.stop()
    publish(server.net, server.machine)
    server.service("restart", "unbound", "unbound")


def ask_for(server: Server, pebble: Pebble, primary: Primary, *names: str, **more: object) -> None:
    """Write the tables; nothing is applied."""
    tls = dict(
        mode="acme", names=list(names), acme_server=pebble.url, acme_ca_file=CA_FILE, challenge="dns-01"
    )
    update = dict(server=primary.host.ipv4, key="posthouse", secret_file=SECRET)
    tables = {"tls": tls | more, "dns.update": update}
    before = server.machine.read(SITE_FILE).split("\n[tls]\n")[0]
    lines = [
        line
        for table, keys in tables.items()
        for line in (f"\n[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()))
    ]
    server.machine.write(SITE_FILE, "\n".join([before.rstrip("\n"), *lines, ""]))


def test_names_are_proven_without_port_80_or_an_address(
    server: Server, pebble: Pebble, primary: Primary
) -> None:
    web = server.machine.start(["/opt/posthouse/venv/bin/python", "-m", "http.server", "80"])
    awaited(lambda: "0050" in server.run("grep ': 00000000:0050' /proc/net/tcp || :").stdout, "port 80")
    ask_for(server, pebble, primary, INSIDE)
    applied = server.posthouse("apply", "--yes")
    web.kill_all()
    assert "a new one is served on every port" in applied.stderr, applied.stderr
    assert primary.secret not in applied.stdout + applied.stderr
    assert certificate(server)["names"] == [HOST, INSIDE]
    assert len(everywhere(server, HOST, INSIDE)) == 1
    left = server.net.dns.lookup(PLACE, "TXT")[0]
    assert left == ['"somebody else orders too"']
    assert server.net.dns.lookup(f"_acme-challenge.{HOST}", "TXT")[0] == []
    server.arrives(letter())


def test_a_name_in_another_zone_is_left_out(server: Server, pebble: Pebble, primary: Primary) -> None:
    ask_for(server, pebble, primary, INSIDE, NOT_OURS)
    code, said = renew(server, "--force")
    assert code == 1
    assert f"{NOT_OURS}: " in said
    assert "does not answer for its zone" in said
    assert certificate(server)["names"] == [HOST, INSIDE]


def test_a_key_that_is_refused_costs_no_try(server: Server, pebble: Pebble, primary: Primary) -> None:
    ask_for(server, pebble, primary, INSIDE)
    before = everywhere(server, HOST)
    server.machine.write(SECRET, "bm90IHRoZSBrZXk=\n", mode=0o600)
    code, said = renew(server, "--force")
    server.machine.write(SECRET, f"{primary.secret}\n", mode=0o600)
    assert code == 1
    assert "does not take the key" in said
    assert not json.loads(server.machine.read(TRIES)).get("tries")
    assert everywhere(server, HOST) == before


def test_what_a_killed_order_leaves_goes_at_the_next_push(
    server: Server, pebble: Pebble, primary: Primary, tmp_path: Path
) -> None:
    ask_for(server, pebble, primary, INSIDE)
    server.run(["rm", "-f", TRIES])
    running = server.machine.start(["posthouse", "cert", "renew", "--force"])
    awaited(lambda: len(server.net.dns.lookup(PLACE, "TXT")[0]) > 1, "the record to be published")
    running.kill_all()
    server.run("pkill -KILL -x certbot || :")
    awaited(lambda: not server.pids("challenge"), "what certbot started to end")
    if len(server.net.dns.lookup(PLACE, "TXT")[0]) > 1:
        pushed = server.posthouse("dns", "push", DOMAIN, "--yes", check=False)
        assert f"- {PLACE}. TXT" in pushed.stdout
    assert server.net.dns.lookup(PLACE, "TXT")[0] == ['"somebody else orders too"']
    code, said = renew(server, "--force")
    assert code == 0, said


def test_the_hook_takes_no_name_and_no_value_that_is_not_certbots(server: Server, primary: Primary) -> None:
    for name, value in (("victim.example", "a" * 43), (HOST, "short"), (HOST, "a" * 42 + "\x1b")):
        said = ["env", f"CERTBOT_DOMAIN={name}", f"CERTBOT_VALIDATION={value}"]
        done = server.run([*said, "posthouse", "cert", "challenge", "publish"], check=False)
        assert done.returncode == 2
        assert "This command is certbot's" in done.stderr
        assert "\x1b" not in done.stderr
