"""What mail programs and senders look up by HTTPS, as clients get it who trust the certificate's authority alone."""

from __future__ import annotations

import base64
import http.client
import json
import plistlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.machine.conftest import publish
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, awaited, letter
from tests.machine.test_certificates import CA_FILE, SITE_FILE, TRIES, certificate, pebble, vouching
from tests.machine.test_certificates import names as publish_names

from posthouse import paths
from posthouse.lab import netns
from posthouse.lab.internet import Authority, Pebble

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean")]
__all__ = ["pebble", "vouching"]  # fixtures

POLICY, CONFIG = "/.well-known/mta-sts.txt", "/mail/config-v1.1.xml"
NAMES = tuple(f"{label}.{DOMAIN}" for label in ("mta-sts", "autoconfig", "autodiscover"))
SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
QUESTION = (
    f"<Autodiscover><Request><EMailAddress>{USER}</EMailAddress>"
    f"<AcceptableResponseSchema>{SCHEMA}</AcceptableResponseSchema></Request></Autodiscover>"
)


class Client:
    """A client from outside that trusts one authority."""

    def __init__(self, server: Server, ca: str) -> None:
        self.server = server
        self.context = ssl.create_default_context(cadata=ca)

    def ask(
        self, host: str, path: str, body: str | None = None, *, named: str | None = None
    ) -> tuple[int, str]:
        """Ask a host of the server's by its name; `named`: as which it is named in the request."""
        with netns.entered(self.server.net.gateway):
            plain = socket.create_connection((self.server.address, 443), 60)
        connection = http.client.HTTPConnection(host)
        with plain, self.context.wrap_socket(plain, server_hostname=host) as connection.sock:
            connection.request("POST" if body else "GET", path, body, {"Host": named or host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def site(server: Server) -> Iterator[str]:
    """The site file, which is as it was in the end."""
    before = server.machine.read(SITE_FILE)
    yield before
    server.machine.write(SITE_FILE, before)
    server.posthouse("apply", "--yes")


@pytest.fixture
def own(server: Server, site: str, tmp_path: Path) -> Client:
    """The operator's own certificate, which is for the names of the main domain, and a client that trusts it."""
    authority = Authority(tmp_path)
    chain, key = authority.certificate(HOST, *NAMES)
    server.machine.write("/etc/ssl/own.pem", chain.read_bytes())
    server.machine.write("/etc/ssl/own.key", key.read_bytes(), 0o600)
    tls = '[tls]\nmode = "files"\ncertificate = "/etc/ssl/own.pem"\nkey = "/etc/ssl/own.key"\n'
    server.machine.write(SITE_FILE, f"{site}\n{tls}[web]\nenabled = true\n")
    server.posthouse("apply", "--yes")
    return Client(server, authority.pem)


def recorded(server: Server) -> dict[tuple[str, str], str]:
    """The records that are wanted."""
    return {
        (one["name"], one["type"]): one["value"] for one in json.loads(server.posthouse("dns", "json").stdout)
    }


def test_programs_and_senders_find_what_they_look_for(server: Server, own: Client) -> None:
    status, policy = own.ask(NAMES[0], POLICY)
    assert (status, policy.split("\r\n")[:3]) == (200, ["version: STSv1", "mode: testing", f"mx: {HOST}"])
    tree = ElementTree.fromstring(own.ask(NAMES[1], CONFIG)[1])
    assert tree.findtext(".//incomingServer/hostname") == HOST
    found = own.ask(NAMES[2], "/Autodiscover/Autodiscover.xml", QUESTION)[1]
    assert ElementTree.fromstring(found).findtext(f".//{{{SCHEMA}}}LoginName") == USER
    profile = own.ask(NAMES[1], f"/apple.mobileconfig?address={USER}")[1]
    assert plistlib.loads(profile.encode())["PayloadContent"][0]["EmailAddress"] == USER

    # of nobody else, and by somebody who may do nothing on this machine
    assert own.ask(NAMES[0], POLICY, named="mta-sts.elsewhere.example") == (404, "Not Found\n")
    assert own.ask(NAMES[2], "/autodiscover/autodiscover.xml", "<!DOCTYPE a><Autodiscover/>")[0] == 400
    (pid,) = server.pids("posthouse.web")
    told = (server.machine.root / f"proc/{pid}/status").read_text()
    (uid,) = {line.split()[1] for line in told.split("\n") if line.startswith("Uid:")}
    assert server.run(["id", "-u", "posthouse-web"]).stdout.strip() == uid
    only = 1 << 10 if server.machine.spec.pid1 != "systemd" else 0  # CAP_NET_BIND_SERVICE
    assert f"CapEff:\t{only:016x}" in told
    assert "NoNewPrivs:\t1" in told

    # records promise what is kept, for the domain that the certificate is for and for no other
    wanted = recorded(server)
    assert wanted[f"_mta-sts.{DOMAIN}.", "TXT"].startswith("v=STSv1; id=")
    assert all(wanted[f"{name}.", "CNAME"] == f"{HOST}." for name in NAMES)
    assert wanted[f"_autodiscover._tcp.{DOMAIN}.", "SRV"] == f"0 1 443 {HOST}."
    server.arrives(letter())


@pytest.mark.full
def test_the_record_s_id_changes_with_the_policy_and_a_new_certificate_is_shown(
    server: Server, own: Client, tmp_path: Path
) -> None:
    before = recorded(server)[f"_mta-sts.{DOMAIN}.", "TXT"]
    server.machine.write(SITE_FILE, server.machine.read(SITE_FILE) + 'mta_sts = "enforce"\n')
    server.posthouse("apply", "--yes")
    assert "mode: enforce\r\n" in own.ask(NAMES[0], POLICY)[1]
    assert recorded(server)[f"_mta-sts.{DOMAIN}.", "TXT"] != before
    other = Authority(tmp_path)
    chain, key = other.certificate(HOST, *NAMES)
    server.machine.write("/etc/ssl/own.pem", chain.read_bytes())
    server.machine.write("/etc/ssl/own.key", key.read_bytes(), 0o600)
    assert "served on every port" in server.posthouse("cert", "renew").stdout
    assert Client(server, other.pem).ask(NAMES[0], POLICY)[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        own.ask(NAMES[0], POLICY)


@pytest.mark.full
def test_with_nobody_there_it_takes_no_memory(server: Server, own: Client) -> None:
    if server.machine.spec.pid1 != "systemd":
        pytest.skip("under supervisor it stays")
    assert own.ask(NAMES[0], POLICY)[0] == 200
    assert server.pids("posthouse.web")
    awaited(lambda: not server.pids("posthouse.web"), "the server to end", 180)
    assert own.ask(NAMES[0], POLICY)[0] == 200


@pytest.mark.full
def test_a_port_that_another_program_has_is_left_to_it(server: Server, site: str, tmp_path: Path) -> None:
    chain, key = Authority(tmp_path).certificate(HOST)
    server.machine.write("/etc/ssl/own.pem", chain.read_bytes())
    server.machine.write("/etc/ssl/own.key", key.read_bytes(), 0o600)
    tls = '[tls]\nmode = "files"\ncertificate = "/etc/ssl/own.pem"\nkey = "/etc/ssl/own.key"\n'
    server.machine.write(SITE_FILE, f"{site}\n{tls}[web]\nenabled = true\n")
    running = server.machine.start(["/opt/posthouse/venv/bin/python", "-m", "http.server", "443"])
    awaited(lambda: "01BB" in server.run("grep ': 00000000:01BB' /proc/net/tcp || :").stdout, "port 443")
    refused = server.posthouse("apply", "--yes", check=False)
    running.kill_all()
    assert refused.returncode == 2
    assert "port 443 is taken by python" in refused.stderr
    assert "enabled = false" in refused.stderr


def logs_in(server: Server, config: ElementTree.Element, context: ssl.SSLContext) -> bool:
    """Whether a program that knows an address, its password and this file alone may read mail."""
    incoming = config.find(".//incomingServer")
    assert incoming is not None
    host, port, user = (incoming.findtext(tag, "") for tag in ("hostname", "port", "username"))
    said = f"\0{user.replace('%EMAILADDRESS%', USER)}\0{PASSWORD}".encode()
    with netns.entered(server.net.gateway):
        plain = socket.create_connection((server.address, int(port)), 60)
    with plain, context.wrap_socket(plain, server_hostname=host) as session, session.makefile("rb") as lines:
        assert lines.readline().startswith(b"* OK")
        session.sendall(b"a AUTHENTICATE PLAIN " + base64.b64encode(said) + b"\r\n")
        answer = next((line for line in iter(lines.readline, b"") if line.startswith(b"a ")), b"")
        return answer.startswith(b"a OK")


@pytest.mark.full
def test_the_authority_s_certificate_is_for_the_names_as_they_are_published(
    server: Server, site: str, pebble: Pebble, vouching: Authority
) -> None:
    publish_names(server)
    zone = server.net.dns.zones()[f"{DOMAIN}."]
    server.net.dns.set_zone(DOMAIN, "\n".join([zone, *(f"{name}. CNAME {HOST}." for name in NAMES[:2])]))
    server.machine.write(CA_FILE, vouching.pem)
    acme = f'mode = "acme"\nacme_server = "{pebble.url}"\nacme_ca_file = "{CA_FILE}"\n'
    server.machine.write(SITE_FILE, f"{site}\n[tls]\n{acme}")
    server.run(f"rm -rf {TRIES} {paths.TLS}/acme-*")  # one that is kept from before may be for more names
    server.posthouse("apply", "--yes")
    assert certificate(server)["names"] == [HOST, *NAMES[:2]]
    wanted = recorded(server)
    assert (f"{NAMES[2]}.", "CNAME") in wanted, "so that it can be published"
    record = f'_mta-sts.{DOMAIN}. TXT "{wanted[f"_mta-sts.{DOMAIN}.", "TXT"]}"'
    whole = "\n".join([zone, *(f"{name}. CNAME {HOST}." for name in NAMES), record])
    server.net.dns.set_zone(DOMAIN, whole)
    awaited(lambda: server.sees(NAMES[2], "CNAME"), "the server's resolver to see the new name")
    assert "served on every port" in server.posthouse("cert", "renew").stdout
    assert certificate(server)["names"] == [HOST, *NAMES]
    assert "not due" in server.posthouse("cert", "renew").stdout

    pebble.machine.run("apt-get install -qy curl", env={"DEBIAN_FRONTEND": "noninteractive"})
    pebble.machine.write("/root/root.pem", pebble.root())
    at = [part for name in NAMES for part in ("--resolve", f"{name}:443:{server.address}")]
    curl = ["curl", "-sSf", "--cacert", "/root/root.pem", *at]
    assert "mode: testing" in pebble.machine.run([*curl, f"https://{NAMES[0]}{POLICY}"]).stdout
    config = pebble.machine.run([*curl, f"https://{NAMES[1]}{CONFIG}"]).stdout
    assert logs_in(server, ElementTree.fromstring(config), ssl.create_default_context(cadata=pebble.root()))
    asked = [*curl, "-d", QUESTION, f"https://{NAMES[2]}/autodiscover/autodiscover.xml"]
    assert f"<LoginName>{USER}</LoginName>" in pebble.machine.run(asked).stdout
    checked = json.loads(server.posthouse("dns", "check", "--json", check=False).stdout)["records"]
    states = {one["name"]: one["state"] for one in checked if one["name"].rstrip(".") in NAMES}
    assert set(states.values()) == {"ok"}, checked
    assert {one["state"] for one in checked if one["name"] == f"_mta-sts.{DOMAIN}."} == {"ok"}
    server.run(["rm", "-rf", "/var/lib/posthouse/acme"])
    publish(server.net, server.machine)
