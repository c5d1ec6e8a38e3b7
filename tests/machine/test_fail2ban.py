"""fail2ban takes up our bans and bars from every port, as long as the site asks for it: real fail2ban, real packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.machine.server import Server, awaited
from tests.machine.test_bans import TRIES, _ip, attack, bans, reaches, relay

pytestmark = [
    pytest.mark.machine,
    pytest.mark.full,
    pytest.mark.grounds("12-systemd-clean", "13-systemd-policy", "13-supervisor-clean"),
]
SITE = "/etc/posthouse/posthouse.toml"
# In networks where no other test's attackers are: three would be banned as a range.
ATTACKER, BY_HAND, IN_A_RANGE, RANGE = "100.64.0.181", "2001:db8:7::7", "100.64.1.181", "100.64.1.0/24"
LISTENER = """
import socket
listening = socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    listening.accept()[0].send(b"220 \\r\\n")
"""


@pytest.fixture(scope="module")
def asked(server: Server) -> Iterator[Server]:
    """A server whose site asks for it, with something that answers on port 22."""
    addresses = [f"{one}/{128 if ':' in one else 32}" for one in (ATTACKER, BY_HAND, IN_A_RANGE)]
    _ip(server, [f"address replace {one} dev lo" for one in addresses])
    listening = server.machine.start(["python3", "-c", LISTENER])
    for network in ("0.0.0.0/0", "::/0"):
        server.posthouse("ban", "lift", network)
    site = server.machine.read(SITE)
    server.machine.write(SITE, site.replace("[bans]\n", "[bans]\nfail2ban = true\n"))
    try:
        server.posthouse("apply", "--yes")
        yield server
    finally:
        listening.kill_all()
        server.machine.write(SITE, site)
        server.posthouse("apply", "--yes")
        _ip(server, [f"address del {one} dev lo" for one in addresses])


def jailed(server: Server) -> set[str]:
    """Whom fail2ban's jail holds."""
    return set(server.run(["fail2ban-client", "get", "posthouse", "banip"]).stdout.split())


def test_no_jail_but_ours_begins(asked: Server) -> None:
    assert "Jail list:\tposthouse\n" in asked.run(["fail2ban-client", "status"]).stdout
    said = asked.posthouse("status", check=False).stdout
    assert "running: fail2ban," in said
    assert "does not take up" not in said


def test_whom_we_ban_is_barred_from_every_port_until_it_is_lifted(asked: Server) -> None:
    assert reaches(asked, ATTACKER, 22)
    attack(asked, relay, [ATTACKER] * TRIES)
    awaited(lambda: ATTACKER in bans(asked), "the ban", 90)
    awaited(lambda: ATTACKER in jailed(asked), "fail2ban to take it up", 60)
    assert not reaches(asked, ATTACKER, 22)
    asked.posthouse("ban", "lift", ATTACKER)
    assert ATTACKER not in jailed(asked)
    assert reaches(asked, ATTACKER, 22)


def test_a_ban_by_hand_and_one_while_it_was_stopped(asked: Server) -> None:
    asked.posthouse("ban", "add", BY_HAND, "--for", "1h")
    awaited(lambda: BY_HAND in jailed(asked), "fail2ban to take it up", 60)
    assert not reaches(asked, BY_HAND, 22)
    with asked.stopped("fail2ban", "fail2ban.service"):
        assert "it does not take up the bans" in asked.posthouse("status", check=False).stdout
        asked.posthouse("ban", "lift", BY_HAND)
        asked.posthouse("ban", "add", ATTACKER, "--for", "1h")
    awaited(lambda: asked.run(["fail2ban-client", "ping"], check=False).returncode == 0, "fail2ban", 60)
    awaited(lambda: jailed(asked) == {ATTACKER}, "the jail to be as our bans are", 60)
    asked.posthouse("ban", "lift", ATTACKER)


def test_who_is_never_banned_is_not_barred(asked: Server) -> None:
    own = "198.18." + asked.machine.ipv4.split(".")[2] + ".1"
    attack(asked, relay, [own] * 30)
    assert asked.posthouse("ban", "add", own, check=False).returncode == 2
    asked.posthouse("ban", "add", RANGE, "--for", "1h")  # of a range somebody may be on the list
    awaited(lambda: not reaches(asked, IN_A_RANGE), "the ban of the range")
    asked.posthouse("ban", "add", BY_HAND)
    awaited(lambda: BY_HAND in jailed(asked), "what came later to be taken up", 60)
    assert jailed(asked) == {BY_HAND}
    assert reaches(asked, IN_A_RANGE, 22)
    assert reaches(asked, own, 22)
    for one in (RANGE, BY_HAND):
        asked.posthouse("ban", "lift", one)


def test_it_goes_as_it_came(asked: Server) -> None:
    asked.posthouse("ban", "add", BY_HAND)
    awaited(lambda: BY_HAND in jailed(asked), "fail2ban to take it up", 60)
    assert not reaches(asked, BY_HAND, 22)
    site = asked.machine.read(SITE)
    asked.machine.write(SITE, site.replace("fail2ban = true\n", ""))
    asked.posthouse("apply", "--yes")
    assert asked.run("ls /etc/fail2ban/*/posthouse.conf", check=False).stdout == ""
    awaited(lambda: not asked.pids("fail2ban-server"), "fail2ban to end")
    assert reaches(asked, BY_HAND, 22)
    assert not reaches(asked, BY_HAND)  # our own ban stands
    assert "fail2ban" not in asked.posthouse("status", check=False).stdout
    asked.posthouse("ban", "lift", BY_HAND)
