"""TLS of what goes to its recipients' own hosts: where the policy wants it, nothing leaves in another way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.machine.server import USER, Server, awaited, letter, unique

from posthouse.lab.internet import Internet
from posthouse.lab.internet.provider import Provider

pytestmark = [
    pytest.mark.machine,
    pytest.mark.full,
    pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean"),
]
SITE_FILE = "/etc/posthouse/posthouse.toml"


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[Internet]:
    """An internet whose authority the server trusts."""
    before = server.run(["cat", SITE_FILE]).stdout
    with Internet(server.net) as internet:
        server.machine.write("/usr/local/share/ca-certificates/simulated.crt", internet.authority.pem)
        server.run("update-ca-certificates >/dev/null 2>&1")
        yield internet
    server.machine.write(SITE_FILE, before)
    server.posthouse("apply", "--yes")


def demand(server: Server, everybody: str, **some: str) -> None:
    """Apply a policy for everybody, and others for some domains (without their .example)."""
    text = server.run(["cat", SITE_FILE]).stdout.partition("\n[outgoing]\n")[0]
    text += f'\n[outgoing]\ntls = "{everybody}"\n'
    for domain, tls in some.items():
        text += f'\n[[outgoing.destination]]\ndomain = "{domain}.example"\ntls = "{tls}"\n'
    server.machine.write(SITE_FILE, text)
    server.posthouse("apply", "--yes")


def write(server: Server, provider: Provider) -> str:
    """One of ours writes there; returns the subject."""
    awaited(lambda: server.sees(provider.domain, "MX"), "the server to see the provider")
    return server.send(letter(USER, f"ann@{provider.domain}"), port=587, user=USER)


def waits(server: Server, provider: Provider, reason: str) -> None:
    """Await that the mail for a provider waits for this reason, and that `status` says so."""

    def said() -> str:
        waiting = [json.loads(line) for line in server.queue()]
        return str([m["recipients"] for m in waiting if provider.domain in str(m["recipients"])])

    awaited(lambda: reason in said(), f"mail for {provider.domain} to wait because of {reason!r}")
    items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    (queue,) = (item for item in items if item["name"] == "queue")
    assert reason in queue["detail"]
    assert queue["state"] == "warning"
    assert "[outgoing]" in queue["mend"]
    assert not provider.messages


def test_what_the_policy_forbids_waits_and_status_says_why(server: Server, world: Internet) -> None:
    good = world.provider(f"good{unique()}.example")
    false = world.provider(f"false{unique()}.example", named=f"mx.{unique()}.example")
    plain = world.provider(f"plain{unique()}.example", tls=False)

    demand(server, "verify")
    assert good.received(write(server, good)).envelope.tls
    first = write(server, false)
    waits(server, false, "not verified")
    second = write(server, plain)
    waits(server, plain, "TLS is required, but was not offered")

    # a domain of its own way, more and less strict than the rest
    demand(
        server, "may", **{false.domain.partition(".")[0]: "encrypt", plain.domain.partition(".")[0]: "verify"}
    )
    server.run(["postqueue", "-f"])
    assert false.received(first).envelope.tls
    waits(server, plain, "TLS is required, but was not offered")
    demand(server, "encrypt", **{plain.domain.partition(".")[0]: "may"})
    server.run(["postqueue", "-f"])
    assert plain.received(second).envelope.tls is None
    assert false.received(write(server, false)).envelope.tls
    assert len(false.messages) == 2
