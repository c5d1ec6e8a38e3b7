"""Mail to hosts that say how they are to be known: who stands in between gets nothing, and it is said why."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.machine.server import USER, Server, awaited, letter, unique

from posthouse.lab.internet import Internet, Provider

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
