"""A domain is taken to a new DKIM key, with real mail and a real DNS."""

from __future__ import annotations

import json
import re

import pytest
from tests.machine.server import PASSWORD, Server, awaited, letter
from tests.machine.test_mail import signature_verifies

pytestmark = [pytest.mark.machine, pytest.mark.both_chains("12")]
DOMAIN = "rotating.example"
ANN = f"ann@{DOMAIN}"


def selectors(server: Server) -> dict[str, str]:
    """The domain's keys and what each is."""
    found = json.loads(server.posthouse("dkim", "list", "--json").stdout)
    states = {one["selector"]: one["state"] for one in found if one["domain"] == DOMAIN}
    twins = {name: state for name, state in states.items() if name.endswith("-ed25519")}
    keys = {name: state for name, state in states.items() if name not in twins}
    wanted = keys if server.filter == "rspamd" else {}  # where the chain can sign with two
    assert twins == {f"{name}-ed25519": state for name, state in wanted.items()}
    return keys


def publish(server: Server, without: str | None = None) -> None:
    """Publish what `dns zone` says, short-lived."""
    lines = server.posthouse("dns", "zone", DOMAIN).stdout.splitlines()
    kept = [re.sub(r" 3600 IN ", " 1 IN ", line) for line in lines if line.split()[0].endswith(f"{DOMAIN}.")]
    server.net.dns.set_zone(
        DOMAIN, [line for line in kept if without is None or f"{without}._domainkey" not in line]
    )


def signs_with(server: Server) -> str:
    """The selector on a message that Ann sends now, after an independent library verified it."""
    subject = server.send(letter(ANN), sender=ANN, port=587, user=ANN)
    message = server.find(subject)
    assert signature_verifies(server, subject)
    signatures = [str(one) for one in message.get_all("DKIM-Signature", [])]
    used = {re.search(r"\bs=([\w-]+)", one)[1] for one in signatures}  # type: ignore[index]
    (selector,) = (name for name in used if not name.endswith("-ed25519"))
    assert used == ({selector, f"{selector}-ed25519"} if server.filter == "rspamd" else {selector})
    return selector


def test_a_domain_is_taken_to_a_new_key(server: Server) -> None:
    server.posthouse("domain", "add", DOMAIN)
    server.posthouse("user", "add", ANN, "--password-stdin", input=f"{PASSWORD}\n")
    publish(server)
    (old,) = selectors(server)
    assert signs_with(server) == old

    refused = server.posthouse("dkim", "rotate", DOMAIN, check=False)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr

    waits = server.posthouse("dkim", "rotate", DOMAIN, "--yes", check=False)
    assert waits.returncode == 3, waits
    (new,) = (name for name, state in selectors(server).items() if state == "next")
    assert f"{new}._domainkey.{DOMAIN}. 3600 IN TXT" in waits.stdout
    assert f"posthouse dkim rotate {DOMAIN}" in waits.stdout
    assert signs_with(server) == old  # its record is not published

    publish(server)
    waits = server.posthouse("dkim", "rotate", DOMAIN, check=False)
    assert waits.returncode == 3, waits
    assert "may remember until" in waits.stdout
    assert signs_with(server) == old
    awaited(
        lambda: server.posthouse("dkim", "rotate", DOMAIN, check=False).returncode == 0, "the new key signs"
    )
    assert selectors(server) == {old: "retired", new: "signs"}
    assert signs_with(server) == new

    again = server.posthouse("dkim", "rotate", DOMAIN)
    assert "leave its record" in again.stdout
    assert server.posthouse("dns", "check", DOMAIN, check=False).returncode == 0
    publish(server, without=old)
    early = server.posthouse("dns", "check", DOMAIN, check=False)
    assert early.returncode == 1
    assert f"{old}._domainkey" in early.stdout
    server.posthouse("user", "remove", ANN, "--yes")
    server.posthouse("domain", "remove", DOMAIN, "--yes")
    server.net.dns.remove_zone(DOMAIN)


def test_a_domain_that_is_not_there_is_told(server: Server) -> None:
    refused = server.posthouse("dkim", "rotate", "nowhere.example", "--yes", check=False)
    assert refused.returncode == 2
    assert "nowhere.example" in refused.stderr
    assert "Traceback" not in refused.stderr
