"""Certificates from an authority that speaks ACME, and from files, as clients see them on every port."""

from __future__ import annotations

import imaplib
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from tests.machine.conftest import publish
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, awaited, letter

from posthouse.lab import Network, netns
from posthouse.lab.internet import Authority, Pebble
from posthouse.tls import served

pytestmark = [pytest.mark.machine, pytest.mark.full]  # some minutes a ground

SITE_FILE = "/etc/posthouse/posthouse.toml"
CA_FILE = "/etc/posthouse/acme-ca.pem"
TRIES = "/var/lib/posthouse/acme/tries.json"
IMAP = f"imap.{DOMAIN}"
# Names of which none can be had, and what is said of each.
BAD = {
    f"nowhere.{DOMAIN}": "it has no address",
    f"half.{DOMAIN}": "it leads to 2001:2::53",
    f"forbidden.{DOMAIN}": "allow no authority at all",
}


@pytest.fixture(scope="module")
def vouching(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the authority's own server, and for certificates in files."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pebble(net: Network, vouching: Authority) -> Iterator[Pebble]:
    """The authority."""
    machine = net.machine("acme", "bookworm")
    made = Pebble.on(net, machine, "acme.example", vouching)
    yield made
    made.stop()
    machine.destroy()


def names(server: Server) -> None:
    """Publish the names of the server, good and bad ones."""
    publish(server.net, server.machine)
    ours = [f"A {server.machine.ipv4}", f"AAAA {server.machine.ipv6}"]
    lines = [
        *(f"{name}. {address}" for name in (HOST, IMAP, f"forbidden.{DOMAIN}") for address in ours),
        *(f"half.{DOMAIN}. {address}" for address in (ours[0], "AAAA 2001:2::53")),
        f'forbidden.{DOMAIN}. CAA 0 issue ";"',
        f"{DOMAIN}. MX 10 {HOST}.",
        f'{DOMAIN}. TXT "v=spf1 mx -all"',
    ]
    server.net.dns.set_zone(DOMAIN, lines)


class Site:
    """The site file with a [tls] of the test's."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before = server.machine.read(SITE_FILE)

    def tls(self, **keys: object) -> None:
        """Write the table; nothing is applied."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items()]
        self.server.machine.write(SITE_FILE, "\n".join([self.before, "[tls]", *lines, ""]))

    def acme(self, pebble: Pebble, *more: str) -> None:
        """Ask for the authority's certificate; nothing is applied."""
        self.tls(mode="acme", names=list(more), acme_server=pebble.url, acme_ca_file=CA_FILE, email=USER)


@pytest.fixture(scope="module")
def site(server: Server, vouching: Authority) -> Iterator[Site]:
    """The site file, which is as it was in the end."""
    names(server)
    server.machine.write(CA_FILE, vouching.pem)
    made = Site(server)
    yield made
    server.machine.write(SITE_FILE, made.before)
    server.posthouse("apply", "--yes")
    server.run(["rm", "-rf", "/var/lib/posthouse/acme"])
    publish(server.net, server.machine)


@pytest.fixture
def issued(site: Site, pebble: Pebble) -> Site:
    """A server with the authority's certificate for two names."""
    site.acme(pebble, IMAP)
    if not certificate(site.server)["issuer"].startswith("CN=Pebble"):
        site.server.run(["rm", "-f", TRIES])
        site.server.posthouse("apply", "--yes")
    return site


def certificate(server: Server) -> dict[str, Any]:
    """What `cert list` shows."""
    (found,) = json.loads(server.posthouse("cert", "list", "--json").stdout)
    return dict(found)


def renew(server: Server, *arguments: str) -> tuple[int, str]:
    """Renew with the day's tries forgotten; return the exit status and all that was said."""
    server.run(["rm", "-f", TRIES])
    done = server.posthouse("cert", "renew", *arguments, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def status(server: Server) -> list[dict[str, str]]:
    """The lines of `status` about the certificate."""
    found = json.loads(server.posthouse("status", "--json", check=False).stdout)
    return [item for item in found["items"] if item["name"] == "certificate"]


def shown(server: Server, port: int, name: str) -> x509.Certificate:
    """The certificate on a port, as a client from outside gets it who asks for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with netns.entered(server.net.gateway):
        plain = socket.create_connection((server.address, port), 30)
    with plain:
        for say, answer in served._BEFORE[port]:
            if say:
                plain.sendall(say + b"\r\n")
            served._await(plain, answer)
        with context.wrap_socket(plain, server_hostname=name) as inside:
            return x509.load_der_x509_certificate(inside.getpeercert(binary_form=True) or b"")


def everywhere(server: Server, *names: str) -> set[str]:
    """The digests of all certificates that clients are shown."""
    return {shown(server, p, n).fingerprint(hashes.SHA256()).hex() for p in served.PORTS for n in names}


def trusting(pebble: Pebble) -> ssl.SSLContext:
    """A client that trusts the authority's present root, and nobody else."""
    return ssl.create_default_context(cadata=pebble.root())


def test_a_certificate_is_ordered_and_shown_on_every_port_for_every_name(site: Site, pebble: Pebble) -> None:
    server = site.server
    (said,) = status(server)
    assert said["detail"].startswith("SELF-SIGNED")
    assert 'mode = "acme"' in said["mend"]
    site.acme(pebble, IMAP)
    applied = server.posthouse("apply", "--yes")
    assert "a new one is served on every port" in applied.stderr
    found = certificate(server)
    assert found["names"] == [HOST, IMAP]
    assert found["mode"] == "acme"
    assert len(everywhere(server, HOST, IMAP, "unknown.example")) == 1
    for name in (HOST, IMAP):
        with netns.entered(server.net.gateway):
            plain = socket.create_connection((server.address, 993), 30)
        with plain, trusting(pebble).wrap_socket(plain, server_hostname=name) as inside:
            assert inside.recv(4) == b"* OK"
    (said,) = status(server)
    assert said["state"] == "ok", said
    server.arrives(letter())
    again = server.posthouse("cert", "renew")
    assert "not due" in again.stdout
    assert "Nothing to do" in server.posthouse("apply", "--yes").stdout


def test_a_renewal_ends_no_session_and_keeps_the_key(issued: Site) -> None:
    server = issued.server
    before, serial = certificate(server), shown(server, 993, HOST).serial_number
    with server.net.inside():
        client = imaplib.IMAP4_SSL(server.address, 993, ssl_context=_any(), timeout=60)
    client.login(USER, PASSWORD)
    client.select()
    with server.smtp(587, USER) as session:
        code, said = renew(server, "--force")
        assert code == 0, said
        assert "served on every port" in said
        server.run(["sleep", "8"])  # Dovecot ends what a reload shall end after five seconds
        assert client.noop()[0] == "OK"
        assert session.noop()[0] == 250
        message = letter(USER)
        session.send_message(message)
    client.logout()
    server.find(str(message["Subject"]))
    assert shown(server, 993, HOST).serial_number != serial
    assert certificate(server)["pin"] == before["pin"]
    assert len(everywhere(server, HOST, IMAP)) == 1


def _any() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_bad_names_do_not_fail_the_good_ones(issued: Site, pebble: Pebble) -> None:
    server = issued.server
    issued.acme(pebble, IMAP, *BAD)
    code, said = renew(server, "--force")
    assert code == 1
    for name, why in BAD.items():
        assert f"{name}: " in said
        assert why in said
    found = certificate(server)
    assert found["names"] == [HOST, IMAP]
    assert found["missing"] == list(BAD)
    assert any(next(iter(BAD)) in item["detail"] for item in status(server))
    code, said = renew(server)  # nothing would be gained by an order
    assert code == 1
    assert "nothing was ordered" in said


def test_with_the_authority_away_the_old_certificate_stays(issued: Site, pebble: Pebble) -> None:
    server = issued.server
    before = everywhere(server, HOST)
    pebble.stop()
    code, said = renew(server, "--force")
    assert code == 1
    assert "cannot be reached" in said
    assert everywhere(server, HOST) == before
    assert any("cannot be reached" in item["detail"] for item in status(server))
    pebble.start()  # with all accounts forgotten
    code, said = renew(server, "--force")
    assert code == 0, said
    assert everywhere(server, HOST) != before


def test_a_name_that_the_authority_refuses_is_left_out(issued: Site, pebble: Pebble) -> None:
    server = issued.server
    # Without addresses of ours nothing can be compared before.
    text = "\n".join(line for line in issued.before.split("\n") if not line.startswith(("ipv4 =", "ipv6 =")))
    before, issued.before = issued.before, text
    away = f"away.{DOMAIN}"
    zone = server.net.dns.zones()[f"{DOMAIN}."]
    server.net.dns.set_zone(DOMAIN, f"{zone}\n{away}. A {pebble.machine.ipv4}")
    awaited(lambda: server.sees(away, "A"), "the server's resolver to see the new name")
    issued.acme(pebble, IMAP, away)
    code, said = renew(server, "--force")
    issued.before = before
    assert code == 1, said
    assert f"once more without {away}" in said
    assert certificate(server)["names"] == [HOST, IMAP]
    assert any(f"{away}: " in item["detail"] for item in status(server))


def test_an_order_that_is_killed_leaves_the_old_certificate(issued: Site) -> None:
    server = issued.server
    before = everywhere(server, HOST)
    server.run(["rm", "-f", TRIES])
    running = server.machine.start(["posthouse", "cert", "renew", "--force"])
    awaited(lambda: server.pids("certbot"), "certbot to run")
    running.kill_all()
    server.run("pkill -KILL -x certbot || :")
    assert everywhere(server, HOST) == before
    code, said = renew(server, "--force")
    assert code == 0, said
    assert everywhere(server, HOST) != before


def test_no_name_is_ordered_too_often(issued: Site) -> None:
    server = issued.server
    now = time.time()
    server.machine.write(TRIES, json.dumps({"tries": {HOST: [now - n for n in range(5)]}}))
    done = server.posthouse("cert", "renew", "--force", check=False)
    assert done.returncode == 1
    assert "not before" in done.stdout
    assert renew(server, "--force")[0] == 0


def test_a_port_that_is_taken_is_told(issued: Site) -> None:
    server = issued.server
    running = server.machine.start(["/opt/posthouse/venv/bin/python", "-m", "http.server", "80"])
    awaited(lambda: "0050" in server.run("grep ': 00000000:0050' /proc/net/tcp || :").stdout, "port 80")
    code, said = renew(server, "--force")
    running.kill_all()
    assert code == 1
    assert "port 80 is taken" in said
    assert "tls.webroot" in said


def test_the_timer_renews(issued: Site) -> None:
    server = issued.server
    if server.machine.spec.pid1 == "systemd":
        assert (
            server.run(["systemctl", "is-enabled", "posthouse-certificate.timer"]).stdout.strip() == "enabled"
        )
        assert (
            server.run(["systemctl", "is-active", "posthouse-certificate.timer"]).stdout.strip() == "active"
        )
        server.run(["systemctl", "start", "posthouse-certificate.service"])
    else:
        assert server.pids("while sleep 43200; do /usr/local/bin/posthouse cert renew; done")


def test_a_new_key_waits_for_its_record(issued: Site) -> None:
    server = issued.server
    pin = certificate(server)["pin"]
    zone = server.net.dns.zones()[f"{DOMAIN}."]
    old = f"_25._tcp.{HOST}. 2 IN TLSA 3 1 1 {pin}"
    server.net.dns.set_zone(DOMAIN, f"{zone}\n{old}")
    code, said = renew(server, "--new-key")
    assert code == 3, said
    record = next(line for line in said.split("\n") if " IN TLSA " in line).strip()
    assert renew(server, "--force")[0] == 0
    assert certificate(server)["pin"] == pin, "a renewal meanwhile is for the old key"
    server.net.dns.set_zone(DOMAIN, f"{zone}\n{old}\n{record.replace(' 3600 ', ' 2 ')}")
    awaited(lambda: renew(server, "--new-key")[0] == 0, "the new key to be used", 90)
    new = certificate(server)["pin"]
    assert record.endswith(new)
    assert new != pin
    server.net.dns.set_zone(DOMAIN, zone)


def test_files_are_judged_before_they_are_live(site: Site, vouching: Authority, tmp_path: Path) -> None:
    server = site.server
    chain, key = vouching.certificate(HOST)
    server.machine.write("/etc/ssl/own.pem", chain.read_bytes())
    server.machine.write("/etc/ssl/own.key", key.read_bytes(), 0o600)
    site.tls(mode="files", certificate="/etc/ssl/own.pem", key="/etc/ssl/own.key")
    assert "/var/lib/posthouse/tls" in server.posthouse("plan").stdout
    server.posthouse("apply", "--yes")
    first = everywhere(server, HOST, IMAP)
    assert len(first) == 1
    assert "Nothing to do" in server.posthouse("apply", "--yes").stdout

    other, its_key = vouching.certificate(HOST)
    server.machine.write("/etc/ssl/own.pem", other.read_bytes())  # its key comes later
    assert "/var/lib/posthouse/tls" in server.posthouse("plan").stdout
    refused = server.posthouse("apply", "--yes", check=False)
    assert refused.returncode == 1
    assert "is not the key" in refused.stderr
    assert everywhere(server, HOST) == first
    server.machine.write("/etc/ssl/own.key", its_key.read_bytes(), 0o600)
    done = server.posthouse("cert", "renew")
    assert "served on every port" in done.stdout
    assert everywhere(server, HOST) != first

    strange, its_key = vouching.certificate("somebody.example")
    second = everywhere(server, HOST)
    server.machine.write("/etc/ssl/own.pem", strange.read_bytes())
    server.machine.write("/etc/ssl/own.key", its_key.read_bytes(), 0o600)
    refused = server.posthouse("cert", "renew", check=False)
    assert refused.returncode == 1
    assert f"not for {HOST}" in refused.stderr
    assert everywhere(server, HOST) == second
