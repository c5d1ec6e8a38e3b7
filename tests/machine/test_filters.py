"""From one filter chain to the other on a live server, and back; and a chain of which a part is away."""

from __future__ import annotations

import re
import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import USER, Server, awaited, letter

pytestmark = pytest.mark.machine
SITE = "/etc/posthouse/posthouse.toml"
PROGRAMS = {
    "rspamd": ("rspamd", "redis-server"),
    "spamassassin": ("opendkim", "opendmarc", "/usr/sbin/spamd", "posthouse.gate"),
}
PARTS = ("opendkim", "opendmarc", "spamd", "posthouse-gate")


def choose(server: Server, chain: str) -> None:
    """Write the chain into the site file, and apply."""
    lines = [line for line in server.machine.read(SITE).splitlines() if not re.match(r"#? ?filter = ", line)]
    server.machine.write(SITE, "\n".join([f'filter = "{chain}"', *lines, ""]))
    assert server.posthouse("plan", "--exit-code", check=False).returncode == 3
    server.posthouse("apply", "--yes")
    assert server.posthouse("plan", "--exit-code").returncode == 0


def runs(server: Server, chain: str) -> list[bool]:
    """Which programs of a chain run."""
    return [bool(server.pids(name)) for name in PROGRAMS[chain]]


@pytest.mark.full
@pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")
def test_there_and_back_under_load(server: Server) -> None:
    """Nothing is lost, nothing comes twice, and nothing that was submitted leaves unsigned."""
    assert server.run(["dpkg", "-s", "opendkim"], check=False).returncode != 0
    before = server.machine.read(SITE)
    server.machine.write(SITE, f"{before}\n[sending]\nmessages_per_hour = 0\nmessages_per_day = 0\n")
    server.posthouse("apply", "--yes")
    ledger = Ledger(server, accounts(server), largest=10_000)
    done = threading.Event()

    def from_outside() -> None:
        while not done.is_set():
            ledger.send(20, 4, until_taken=True, patience=300)

    def submitted() -> list[str]:
        subjects = []
        while not done.is_set():
            subjects.append(server.send_again(letter(USER, USER), port=587, user=USER))
        return subjects

    with ThreadPoolExecutor(2) as pool:
        outside, ours = pool.submit(from_outside), pool.submit(submitted)
        try:
            for chain, other in (("spamassassin", "rspamd"), ("rspamd", "spamassassin")):
                awaited(lambda before=ledger.taken: ledger.taken > before + 20, "mail", 120)  # type: ignore[misc]
                choose(server, chain)
                assert all(runs(server, chain))
                assert not any(runs(server, other))
                awaited(lambda before=ledger.taken: ledger.taken > before + 20, "mail", 120)  # type: ignore[misc]
        finally:
            done.set()
        outside.result()
        subjects = ours.result()
    audit = ledger.audit(timeout=300)
    print(f"{len(subjects)} submitted; {audit}")
    assert not audit.wrong, str(audit)
    assert not audit.duplicates, str(audit)
    for subject in subjects:
        assert server.find(subject)["DKIM-Signature"], subject
        assert server.count(subject) == 1
    server.machine.write(SITE, before)
    server.posthouse("apply", "--yes")


@pytest.mark.full
@pytest.mark.classic
@pytest.mark.parametrize("part", PARTS)
def test_mail_waits_while_a_part_of_the_chain_is_away(server: Server, part: str) -> None:
    with server.stopped(part, f"{part}.service"):
        with pytest.raises(smtplib.SMTPResponseException) as later:
            server.send(letter())
        assert later.value.smtp_code // 100 == 4
        if part == "opendkim":
            with pytest.raises(smtplib.SMTPResponseException) as later:
                server.send(letter(USER, USER), port=587, user=USER)
            assert later.value.smtp_code // 100 == 4
    server.find(server.send_again(letter()), folder="INBOX")
