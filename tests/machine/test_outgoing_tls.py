"""Mail to hosts that say how they are to be known: who stands in between gets nothing, and it is said why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from tests.machine.server import USER, Server, awaited, letter, unique

from posthouse.lab.internet import Internet, Provider

SITE_FILE = "/etc/posthouse/posthouse.toml"
pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]


@pytest.fixture(scope="module")
def internet(server: Server) -> Iterator[Internet]:
    with Internet(server.net) as internet:
        yield internet


def known(server: Server, internet: Internet, tlsa: str | None = None, *, signed: bool = True) -> Provider:
    """A provider whose TLSA record is its own certificate's, or says this."""
    provider = internet.provider(f"{unique()}.example")
    record = tlsa or internet.authority.tlsa(provider.host.name)
    provider.publish(f"_25._tcp.{provider.host.name}. 1 TLSA {record}", signed=signed)
    return provider


def write(server: Server, provider: Provider) -> str:
    """One of ours writes to somebody there; returns the subject."""
    return server.send(letter(USER, f"ann@{provider.domain}"), port=587, user=USER)


def waits(server: Server, provider: Provider, reason: str) -> None:
    """Await that mail to it waits for this reason, which `status` and `queue list` say."""
    awaited(
        lambda: any(provider.domain in line and reason in line for line in server.queue()),
        f"mail to {provider.domain} to wait because of {reason!r}",
    )
    assert provider.messages == []
    assert provider.domain in server.posthouse("queue", "list").stdout
    items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    queue = next(item for item in items if item["name"] == "queue" and reason in item["detail"])
    assert queue["state"] == "warning", queue
    assert queue["mend"]


def goes(server: Server, provider: Provider, subject: str) -> None:
    """What waited goes after a new try."""

    def tried() -> bool:
        server.run(["postqueue", "-f"])
        return any(one.subject == subject for one in provider.messages)

    awaited(tried, f"{subject} at {provider.domain}")
    assert provider.received(subject).envelope.tls is not None


def test_who_has_the_right_certificate_gets_the_mail(server: Server, internet: Internet) -> None:
    provider = known(server, internet)
    assert provider.received(write(server, provider)).envelope.tls is not None


def test_another_certificate_gets_nothing(server: Server, internet: Internet) -> None:
    """Also one that an authority of the system signed for that very name."""
    provider = known(server, internet, f"3 1 1 {'ab' * 32}")
    subject = write(server, provider)
    waits(server, provider, "not verified")
    provider.publish(f"_25._tcp.{provider.host.name}. 1 TLSA {internet.authority.tlsa(provider.host.name)}")
    goes(server, provider, subject)


def test_who_offers_no_tls_gets_nothing(server: Server, internet: Internet) -> None:
    provider = known(server, internet)
    offered, provider.tls = provider.tls, None
    subject = write(server, provider)
    waits(server, provider, "TLS is required, but was not offered")
    provider.tls = offered
    goes(server, provider, subject)


def test_records_that_nobody_signed_count_nothing(server: Server, internet: Internet) -> None:
    provider = known(server, internet, f"3 1 1 {'ab' * 32}", signed=False)
    assert provider.received(write(server, provider)).envelope.tls is not None


def test_who_says_nothing_gets_mail_as_ever(server: Server, internet: Internet) -> None:
    provider = internet.provider(f"{unique()}.example")
    provider.tls = None
    assert provider.received(write(server, provider)).envelope.tls is None


class Policy(asyncio.Protocol):
    """An HTTPS server that shows one MTA-STS policy (RFC 8461 section 3.3)."""

    text = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(self.text)}\r\n\r\n"
        self.transport.write((head + self.text).encode())  # type: ignore[attr-defined]
        self.transport.close()


def with_policy(internet: Internet, *, mx: str | None = None) -> Provider:
    """A provider with an MTA-STS policy that names its host, or another one."""
    provider = internet.provider(f"{unique()}.example")
    name, host = f"mta-sts.{provider.domain}", provider.host
    text = f"version: STSv1\nmode: enforce\nmx: {mx or host.name}\nmax_age: 86400\n"
    policy = type("Shown", (Policy,), {"text": text})
    host.serve(443, policy, internet.authority.server_context(name))
    provider.publish(f"mta-sts A {host.ipv4}", '_mta-sts TXT "v=STSv1; id=1"')
    return provider


@pytest.fixture
def honoured(server: Server, internet: Internet) -> Iterator[None]:
    before = server.machine.read(SITE_FILE)
    server.machine.write("/usr/local/share/ca-certificates/simulated.crt", internet.authority.pem)
    server.run("update-ca-certificates >/dev/null 2>&1")
    server.machine.write(SITE_FILE, f"{before}\n[outgoing]\nmta_sts = true\n")
    server.posthouse("apply", "--yes")
    yield
    server.machine.write(SITE_FILE, before)
    server.posthouse("apply", "--yes")


@pytest.mark.full
def test_mta_sts_is_honoured_where_it_is_asked_for(
    server: Server, internet: Internet, honoured: None
) -> None:
    right = with_policy(internet)
    assert right.received(write(server, right)).envelope.tls is not None

    stripped = with_policy(internet)
    offered, stripped.tls = stripped.tls, None
    subject = write(server, stripped)
    waits(server, stripped, "TLS is required, but was not offered")
    stripped.tls = offered
    goes(server, stripped, subject)

    forged = with_policy(internet)
    forged.tls, offered = internet.authority.server_context("elsewhere.example"), forged.tls
    subject = write(server, forged)
    waits(server, forged, "not verified")
    forged.tls = offered
    goes(server, forged, subject)

    # DANE says who it is, and MTA-STS may not override that.
    both = with_policy(internet, mx="elsewhere.example")
    tlsa = internet.authority.tlsa(both.host.name)
    both.publish(
        f"mta-sts A {both.host.ipv4}",
        '_mta-sts TXT "v=STSv1; id=1"',
        f"_25._tcp.{both.host.name}. 1 TLSA {tlsa}",
    )
    assert both.received(write(server, both)).envelope.tls is not None


def test_only_our_resolver_is_believed(server: Server) -> None:
    """What Debian's own scripts copy into the chroot, whenever the host's resolver changes, does not get there."""
    inside = "cat /var/spool/postfix$(readlink /var/spool/postfix/etc/resolv.conf)"
    assert "\nnameserver 127.0.0.1\n" in server.run(inside).stdout
    server.run("touch /etc/resolv.conf; IFACE=eth0 /etc/network/if-up.d/postfix", check=False)
    server.run("/etc/resolvconf/update-libc.d/postfix", check=False)
    assert server.run(inside).stdout.count("nameserver") == 1
    server.service("restart", "postfix", "postfix")
    awaited(lambda: answers(server), "Postfix", 90)
    assert server.run(inside).stdout.count("nameserver") == 1


def answers(server: Server) -> bool:
    """Whether Postfix takes mail."""
    try:
        with server.smtp():
            return True
    except OSError:
        return False
