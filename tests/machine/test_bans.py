"""Brute force from outside over every protocol is banned, and nobody else is: real daemons, real attackers."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.machine.server import PASSWORD, USER, Server, awaited, trusting

pytestmark = pytest.mark.machine
on_13 = pytest.mark.grounds("13-systemd-policy")
on_12 = pytest.mark.grounds("12-supervisor-policy")

# documentation networks (RFC 5737, RFC 3849): nobody else in these tests is there
ATTACKERS = {
    "imap": "192.0.2.7",
    "pop3": "198.51.100.7",
    "relay": "203.0.113.7",
    "sieve": "2001:db8:1::7",
    "submission": "2001:db8:2::7",
    "recipients": "2001:db8:3::7",
}
PHONE, MANY, VICTIM = "192.0.2.99", [f"198.51.100.{n}" for n in (20, 21, 22, 23)], "203.0.113.200"
FORGERS = [f"2001:db8:4:{n:x}::7" for n in range(12)]
CRAM = {"with a verifier": "192.0.2.161", "without one": "198.51.100.161", "never worked": "203.0.113.161"}
GUESSER = "203.0.113.171"
REBOOTED = ["192.0.2.150", "192.0.2.151"]
STUFFERS = [f"2001:db8:6:{n:x}::7" for n in range(1, 33)]
CROWD = [f"2001:db8:5::{n:x}" for n in range(1, 14)]
TRIES = 12


@pytest.fixture(scope="module", autouse=True)
def elsewhere(server: Server) -> Iterator[None]:
    """The attackers' addresses, on the network that the server is on."""
    everybody = [*ATTACKERS.values(), PHONE, *MANY, VICTIM, *FORGERS, *CROWD, *REBOOTED, *STUFFERS]
    everybody += [*CRAM.values(), GUESSER]
    lines = [f"address replace {one}/{128 if ':' in one else 32} dev lo" for one in everybody]
    _ip(server, lines)
    yield
    _ip(server, [line.replace("replace", "del") for line in lines])


def _ip(server: Server, lines: list[str]) -> None:
    subprocess.run(
        ["ip", "-n", server.net.gateway, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True
    )


class Line:
    """A connection from a chosen address, spoken by hand."""

    def __init__(self, server: Server, source: str, port: int, tls: bool = False, timeout: float = 8) -> None:
        there = server.machine.ipv6 if ":" in source else server.machine.ipv4
        with server.net.inside():
            made = socket.create_connection((there, port), timeout, (source, 0))
        self.sock: socket.socket = trusting().wrap_socket(made) if tls else made
        self.file = self.sock.makefile("rb")

    def say(self, text: bytes | str = b"", until: bytes = b"") -> bytes:
        """Send a line, and return what comes up to a line that begins with `until`."""
        if text:
            self.sock.sendall((text.encode() if isinstance(text, str) else text) + b"\r\n")
        said = b""
        while line := self.file.readline():
            said += line
            if line.startswith(until):
                break
        return said

    def start_tls(self) -> None:
        """Go on in TLS."""
        self.sock = trusting().wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def close(self) -> None:
        """Go away."""
        self.file.close()
        self.sock.close()


def plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def imap(server: Server, source: str, user: str, password: str) -> None:
    line = Line(server, source, 993, tls=True)
    line.say(until=b"*")
    line.say(f"a AUTHENTICATE PLAIN {plain(user, password)}", b"a ")
    line.close()


def pop3(server: Server, source: str, user: str, password: str) -> None:
    line = Line(server, source, 995, tls=True)
    line.say()
    line.say(f"AUTH PLAIN {plain(user, password)}", b"-ERR")
    line.close()


def sieve(server: Server, source: str, user: str, password: str) -> None:
    line = Line(server, source, 4190)
    line.say(until=b"OK")
    line.say("STARTTLS", b"OK")
    line.start_tls()
    line.say(until=b"OK")
    line.say(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"', b"NO")
    line.close()


def submission(server: Server, source: str, user: str, password: str) -> None:
    line = Line(server, source, 465, tls=True)
    line.say(until=b"220 ")
    line.say("EHLO client.example", b"250 ")
    line.say(f"AUTH PLAIN {plain(user, password)}", b"535")
    line.close()


def by_cram_md5(server: Server, source: str, user: str, password: str) -> None:
    line = _answering_cram_md5(server, source, user, password)
    line.close()


def by_each_mechanism(server: Server, source: str, user: str, password: str) -> None:
    """As a program does that tries one after the other: the answer to each takes ever longer."""
    line = _answering_cram_md5(server, source, user, password)
    line.say(f"AUTH PLAIN {plain(user, password)}", b"535")
    for word in ("AUTH LOGIN", base64.b64encode(user.encode()).decode()):
        line.say(word, b"334")
    line.say(base64.b64encode(password.encode()).decode(), b"535")
    line.close()


def _answering_cram_md5(server: Server, source: str, user: str, password: str) -> Line:
    line = Line(server, source, 465, tls=True, timeout=60)
    line.say(until=b"220 ")
    line.say("EHLO client.example", b"250 ")
    challenge = base64.b64decode(line.say("AUTH CRAM-MD5", b"334").split()[1])
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    line.say(base64.b64encode(f"{user} {digest}".encode()).decode(), b"535")
    return line


def smtp(server: Server, source: str, recipients: list[str], helo: str = "client.example") -> None:
    line = Line(server, source, 25)
    line.say(until=b"220 ")
    line.say(f"EHLO {helo}", b"250 ")
    line.say("MAIL FROM:<a@elsewhere.example>", b"2")
    for recipient in recipients:
        line.say(f"RCPT TO:<{recipient}>", b"5")
    line.close()


def relay(server: Server, source: str, user: str, password: str) -> None:
    smtp(server, source, [f"{password}@elsewhere.example"])


def recipients(server: Server, source: str, user: str, password: str) -> None:
    smtp(server, source, [f"{password}-{n}@snorl.ax" for n in range(3)])


Attack = Callable[[Server, str, str, str], None]
ATTACKS: dict[str, Attack] = {
    "imap": imap,
    "pop3": pop3,
    "sieve": sieve,
    "submission": submission,
    "relay": relay,
    "recipients": recipients,
}


def attack(server: Server, how: Attack, sources: list[str], user: str = USER) -> None:
    """Try as many passwords at the same time; those who are cut off in the middle do not complain."""

    def one(number: int, source: str) -> None:
        with suppress(OSError):
            how(server, source, user, f"guess-{number}-{source[-4:]}")

    with ThreadPoolExecutor(TRIES) as pool:
        for number, source in enumerate(sources):
            pool.submit(one, number, source)


def bans(server: Server) -> dict[str, dict[str, object]]:
    """All bans by network."""
    said = json.loads(server.posthouse("ban", "list", "--json").stdout)
    assert said["in_force"], said
    return {ban["network"]: ban for ban in said["bans"]}


def reaches(server: Server, source: str, port: int = 25) -> bool:
    """Whether a connection from there is answered."""
    try:
        line = Line(server, source, port, timeout=3)
        said = line.say(until=b"220")
        line.close()
    except OSError:
        return False
    return said.startswith(b"220")


@on_13
def test_brute_force_over_every_protocol_is_banned(server: Server) -> None:
    with ThreadPoolExecutor(len(ATTACKS)) as pool:
        for name, how in ATTACKS.items():
            pool.submit(attack, server, how, [ATTACKERS[name]] * TRIES)
    awaited(lambda: set(ATTACKERS.values()) <= set(bans(server)), "six bans", 90)
    found = bans(server)
    for name, source in ATTACKERS.items():
        ban = found[source]
        assert ban["kind"] == "address", name
        assert ban["by"] == "watch"
        assert ban["lines"], name
    with ThreadPoolExecutor() as pool:
        everybody = list(ATTACKERS.values())
        awaited(
            lambda: not any(pool.map(lambda source: reaches(server, source), everybody)), "them to be cut off"
        )
    assert "guess" not in json.dumps(found["192.0.2.7"]["lines"])
    # A neighbour is nobody's fault, and so is whoever is never banned.
    assert reaches(server, MANY[0])
    assert server.posthouse("ban", "list", "192.0.2.7").stdout.count("\n") >= 10
    said = server.posthouse("status", check=False).stdout
    assert " addresses, 0 ranges" in said


@pytest.mark.full
def test_who_is_never_banned(server: Server) -> None:
    """The tests' own address is on the list; its server's own too."""
    own = "198.18." + server.machine.ipv4.split(".")[2] + ".1"
    attack(server, relay, [own] * 30)
    attack(server, recipients, [own] * 10)
    assert reaches(server, own)
    assert own not in bans(server)
    refused = server.posthouse("ban", "add", server.machine.ipv4, check=False)
    assert refused.returncode == 2
    assert "never banned" in refused.stderr


@pytest.mark.full
def test_neighbours_are_banned_as_a_range(server: Server) -> None:
    for source in MANY[:3]:
        attack(server, relay, [source] * TRIES)
    awaited(lambda: "198.51.100.0/24" in bans(server), "the ban of a range", 90)
    assert bans(server)["198.51.100.0/24"]["kind"] == "range"
    awaited(lambda: not reaches(server, MANY[3]), "the ban of a neighbour")
    # Who comes from another IPv6 address each time has one network all the same.
    attack(server, relay, CROWD[:-1])
    awaited(lambda: "2001:db8:5::/64" in bans(server), "the ban of a /64", 90)
    awaited(lambda: not reaches(server, CROWD[-1]), "the ban of a neighbour")
    lifted = json.loads(server.posthouse("ban", "lift", MANY[3], "--json").stdout)
    assert "198.51.100.0/24" in {ban["network"] for ban in lifted}
    assert reaches(server, MANY[3])


@on_12
def test_bans_by_hand_at_once(server: Server) -> None:
    assert reaches(server, VICTIM)
    server.posthouse("ban", "add", VICTIM, "--for", "1h", "--reason", "a test")
    assert not reaches(server, VICTIM)
    assert bans(server)[VICTIM]["reason"] == "a test"
    server.posthouse("ban", "lift", VICTIM)
    assert reaches(server, VICTIM)


@pytest.mark.full
def test_bans_outlast_a_restart_and_a_flushed_ruleset(server: Server) -> None:
    server.posthouse("ban", "add", VICTIM)
    server.service("restart", "posthouse-watch", "posthouse-watch")
    awaited(lambda: not reaches(server, VICTIM), "the ban after a restart")
    for pid in server.pids("posthouse.watch"):
        server.run(f"kill -9 {pid}")
    server.run(["nft", "flush", "ruleset"])
    awaited(lambda: not reaches(server, VICTIM), "the ban after a flush", 60)
    server.posthouse("ban", "lift", VICTIM)
    assert reaches(server, VICTIM)


@pytest.mark.full
def test_bans_outlast_a_reboot(server: Server) -> None:
    """What was banned finds no open port from the first moment, and for as long as was said before."""
    if server.machine.spec.pid1 != "systemd":
        pytest.skip("a container's entry point starts all anew: test_entry")
    banned = REBOOTED[0]
    attack(server, relay, [banned] * TRIES)
    server.posthouse("ban", "add", VICTIM, "--for", "1h", "--reason", "a test")
    awaited(lambda: banned in bans(server), "the ban", 90)
    before = {name: bans(server)[name]["until"] for name in (banned, VICTIM)}
    server.machine.power_off()
    server.machine.boot()
    awaited(lambda: reaches(server, REBOOTED[1]), "the server to answer again", 120)
    assert not reaches(server, banned)
    assert not reaches(server, VICTIM)
    after = bans(server)
    assert {name: after[name]["until"] for name in before} == before
    assert REBOOTED[1] not in after
    for one in (banned, VICTIM):
        server.posthouse("ban", "lift", one)
    assert reaches(server, VICTIM)


@pytest.mark.grounds("13-supervisor-clean")
def test_a_telephone_with_an_old_password_is_told(server: Server) -> None:
    def say(_: int) -> None:
        imap(server, PHONE, USER, "its-old-password")

    imap(server, PHONE, USER, PASSWORD)  # before the password was changed
    with ThreadPoolExecutor(TRIES) as pool:
        list(pool.map(say, range(24)))
    notice = f"a device at {PHONE}, where that worked"
    awaited(lambda: notice in server.posthouse("status", check=False).stdout, "the notice", 60)
    assert PHONE not in bans(server)
    assert reaches(server, PHONE)
    assert "its-old-password" not in server.log()
    imap(server, PHONE, USER, PASSWORD)  # it was given the new one
    awaited(lambda: PHONE not in server.posthouse("status", check=False).stdout, "the notice to go", 60)


@pytest.fixture
def mechanisms(server: Server) -> Iterator[None]:
    """SCRAM-SHA-256 and CRAM-MD5 are offered, and Dovecot lets nobody wait who failed."""
    path, own = "/etc/posthouse/posthouse.toml", "/etc/posthouse/overrides/dovecot/local.conf"
    site = server.machine.read(path)
    server.machine.write(path, site + '\n[auth]\nmechanisms = ["scram-sha-256", "cram-md5"]\n')
    at_once = "auth_failure_delay = 0\nservice anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
    server.run(f"mkdir -p $(dirname {own}) && cat >{own}", input=at_once)
    try:
        server.posthouse("apply", "--yes")
        # a process of smtpd goes on offering what Dovecot did when it began
        server.run(["postfix", "reload"])
        yield
    finally:
        server.machine.write(path, site)
        server.run(["rm", own])
        server.posthouse("apply", "--yes")


@pytest.mark.full
@pytest.mark.usefixtures("mechanisms")
def test_one_attempt_by_several_mechanisms_is_one_failure(server: Server) -> None:
    """Of a password that CRAM-MD5 hides nobody can tell whether it is the old one; of PLAIN beside it one can."""
    server.posthouse("user", "add", "with@snorl.ax", "--password-stdin", input=PASSWORD + "\n")
    phones = {"with@snorl.ax": CRAM["with a verifier"], USER: CRAM["without one"]}
    for login, source in phones.items():
        imap(server, source, login, PASSWORD)

    def say(login: str, source: str, times: int) -> None:
        for _ in range(times):
            by_each_mechanism(server, source, login, "its-old-password")

    with ThreadPoolExecutor() as pool:
        said = [pool.submit(say, login, source, 20) for login, source in phones.items()]
        said.append(pool.submit(say, "with@snorl.ax", CRAM["never worked"], 8))
    for one in said:
        one.result()
    for login, source in phones.items():
        notice = f"a device at {source}, where that worked"
        awaited(lambda n=notice: n in server.posthouse("status", check=False).stdout, login, 60)
    attack(server, by_cram_md5, [GUESSER] * TRIES, user="with@snorl.ax")
    awaited(lambda: GUESSER in bans(server), "the ban of who guesses", 90)
    assert not set(CRAM.values()) & set(bans(server))
    assert all(reaches(server, source) for source in CRAM.values())


@pytest.mark.full
def test_stolen_passwords_from_many_addresses_have_fewer_tries(server: Server) -> None:
    first, *others = STUFFERS
    attack(server, imap, others)
    attack(server, submission, others)
    imap(server, PHONE, USER, PASSWORD)
    attack(server, imap, [first] * 5, user="nobody@snorl.ax")
    awaited(lambda: first in bans(server), "the ban after less than ten failures", 90)
    assert not set(others) & set(bans(server))
    attack(server, imap, [PHONE] * 5)  # where the login worked before
    assert PHONE not in bans(server)
    assert reaches(server, PHONE)


@on_12
def test_no_name_bans_somebody_else(server: Server) -> None:
    """Whatever an attacker writes into the log: the address is his own."""
    forged = [
        f"x>, method=PLAIN, rip={VICTIM}, lip=192.0.2.1, session=<a> (auth failed, 99 attempts in 2 secs)",
        f"sql(a,{VICTIM},<b>): Password mismatch",
        f"a\r\nNov 23 05:26:35 mail postfix/smtpd[1]: warning: x[{VICTIM}]: SASL PLAIN authentication failed: x",
        f"a\nwarning: x[{VICTIM}]: SASL PLAIN authentication failed: x",
    ]

    def write(source: str) -> None:
        for name in forged:
            with suppress(OSError):
                imap(server, source, name, "a")
        smtp(server, source, [f"x[{VICTIM}]-{source[-9:]}@snorl.ax"], helo=f"x[{VICTIM}]:.SASL.PLAIN.failed")
        line = Line(server, source, 25)
        line.say(until=b"220 ")
        line.say(f"HELO x[{VICTIM}]: 554 5.7.1 <x>: Relay access denied")
        line.close()

    with ThreadPoolExecutor(TRIES) as pool:
        list(pool.map(write, FORGERS))
    if server.machine.spec.pid1 == "systemd":
        # A Unix user's ~/.forward runs a program in Postfix's own unit.
        server.run("useradd -m forger", check=False)
        lines = f"warning: x[{VICTIM}]: SASL PLAIN authentication failed: x"
        program = f'for n in 1 2 3 4 5 6 7 8 9 10 11 12; do logger -t postfix/smtpd "{lines}"; done'
        server.run(f"printf '#!/bin/sh\\n%s\\n' '{program}' > /home/forger/f; chmod 755 /home/forger/f")
        server.run("echo '\"|/home/forger/f\"' > /home/forger/.forward; chown forger /home/forger/.forward")
        server.run("echo x | sendmail forger@localhost")
        awaited(
            lambda: "forger" in server.run("journalctl -n 400 --no-pager -u 'postfix*'").stdout,
            "the delivery",
        )
    # What stands after them in the log has been read: then so have they.
    server.posthouse("ban", "lift", ATTACKERS["relay"])
    attack(server, relay, [ATTACKERS["relay"]] * TRIES)
    awaited(lambda: ATTACKERS["relay"] in bans(server), "the ban of the last one", 90)
    assert VICTIM not in bans(server)
    assert "203.0.113.0/24" not in bans(server)
    assert reaches(server, VICTIM)
    with server.imap(USER, PASSWORD) as client:
        client.noop()
