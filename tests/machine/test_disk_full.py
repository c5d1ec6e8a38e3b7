"""A disk without room, without inodes, or that can only be read: mail is told to come later, none is lost or cut."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError
from tests.machine.ledger import LATER, UNSENT, Ledger, accounts
from tests.machine.server import DOMAIN, PASSWORD, USER, Server, awaited, letter
from tests.machine.test_changes import SITE, change_size, live_size
from tests.machine.test_kills import processes

pytestmark = pytest.mark.machine
FILLER = "/var/filler"


@contextmanager
def full(server: Server, left: int = 0) -> Iterator[None]:
    """Within the block the disk has `left` KiB of room."""
    free = int(server.run("df --output=avail / | tail -1").stdout) - left
    try:
        if left:
            server.run(["fallocate", "-l", f"{free}KiB", FILLER])
        else:  # to the last block; ENOSPC ends it
            server.run(f"cat /dev/zero >{FILLER}; cat /dev/zero >>{FILLER}", check=False)
        yield
    finally:
        server.run(["rm", "-f", FILLER])


@contextmanager
def no_inodes(server: Server) -> Iterator[None]:
    """Within the block no file can be made, though there is room."""
    script = "mkdir /var/filler.d && cd /var/filler.d && seq 1000000 | split -l 1 -a 6 2>/dev/null"
    try:
        server.run(script, check=False)
        yield
    finally:
        server.run(["rm", "-rf", "/var/filler.d"])


def status(server: Server, name: str) -> list[str]:
    """The states of the lines of this name."""
    items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    return [item["state"] for item in items if item["name"] == name]


def all_is_later(ledger: Ledger, or_unsent: bool = False) -> None:
    """Send some: each is told to come later, or not answered before its sender loses patience."""
    for entry in ledger.send(4):
        assert [outcome for outcome, _ in entry.attempts] in ([LATER], [UNSENT] if or_unsent else []), entry


def whole(ledger: Ledger) -> None:
    """Compare the ledger with what is there, and prove that mail flows."""
    ledger.send(10, until_taken=True)
    audit = ledger.audit()
    print(audit)
    assert not audit.wrong, str(audit)
    assert ledger.cuts or not audit.duplicates, str(audit)


def test_a_disk_that_fills_up_while_mail_comes_in(disked: Server) -> None:
    ledger = Ledger(disked, accounts(disked), largest=400_000)
    ledger.send(10)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, 120)
        awaited(lambda: ledger.taken > 30, "the first messages")
        with full(disked):
            sending.result()
            assert {LATER} <= {outcome for entry in ledger.entries for outcome, _ in entry.attempts}
    whole(ledger)


@pytest.mark.full
def test_what_waits_for_delivery_outlasts_a_full_disk(disked: Server) -> None:
    """Accepted, and then there is not a block left to store it: it waits, and is not returned to anybody."""
    ledger = Ledger(disked, accounts(disked), largest=200_000)
    with disked.stopped("dovecot", "dovecot"):
        ledger.send(30)
    with full(disked):
        disked.run(["postqueue", "-f"])
        awaited(
            lambda: "disk space" in "".join(disked.queue()) or "No space" in disked.log(),
            "a refusal of Dovecot",
        )
        all_is_later(ledger)
    whole(ledger)
    assert "MAILER-DAEMON" not in "".join(disked.queue())


def upload(client: IMAPClient, megabytes: int) -> None:
    """Put drafts of a megabyte each."""
    for _ in range(megabytes):
        client.append("Drafts", b"Subject: x\r\n\r\n" + b"x" * 1_000_000)


@pytest.mark.full
def test_reading_goes_on(disked: Server) -> None:
    """Known mail is read; a change is refused in words; a login never says that the password is wrong."""
    subject = disked.send_again(letter())
    disked.find(subject)
    with full(disked), disked.imap(folder="INBOX") as client:
        found = client.search(["SUBJECT", subject])
        assert client.fetch(found, ["BODY.PEEK[]"])[found[0]][b"BODY[]"]
        with pytest.raises(IMAPClientError, match=r"(?i)disk|space|quota|SERVERBUG"):
            upload(client, 200)  # one would do, but the journal may have made room for itself meanwhile
    with disked.imap(folder="Drafts") as client:
        client.append("Drafts", b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize("left", [0, pytest.param(300, marks=pytest.mark.full)])
def test_commands_say_what_is_wrong(disked: Server, left: int) -> None:
    before = disked.machine.read(SITE)
    generation = disked.posthouse("generations", "--json").stdout
    try:
        change_size(disked, before, 20_971_520)
        with full(disked, left):
            assert "failure" in status(disked, "disk")
            disked.posthouse("plan")
            added = disked.posthouse(
                "user", "add", f"late@{DOMAIN}", "--password-stdin", input=PASSWORD + "\n", check=False
            )
            applied = disked.posthouse("apply", "--yes", check=False)
            for said in (added, applied):
                assert "Traceback" not in said.stderr
                assert said.returncode == 0 or re.search("(?i)space|room|full", said.stderr), said
            if applied.returncode:
                assert disked.posthouse("generations", "--json").stdout == generation
            assert disked.pids("master")
        disked.posthouse("apply", "--yes")
        assert live_size(disked) == 20_971_520
        assert status(disked, "disk") != ["failure"]
        disked.posthouse("user", "remove", f"late@{DOMAIN}", "--yes", check=False)
    finally:
        disked.machine.write(SITE, before)
        disked.posthouse("apply", "--yes")


@pytest.mark.full
def test_a_daemon_that_died_on_a_full_disk_comes_back(disked: Server) -> None:
    names = ("master", "dovecot", "rspamd", "unbound", "redis-server", "posthouse.agent")
    with full(disked):
        for name in names:
            for pid in processes(disked, name):
                os.kill(pid, signal.SIGKILL)
    for name in names:
        awaited(lambda name=name: disked.pids(name), f"{name} to be back", 90)  # type: ignore[misc]
    disked.find(disked.send_again(letter()))
    disked.find(disked.send_again(letter(USER, USER), port=587, user=USER))


def test_no_inodes(disked: Server) -> None:
    ledger = Ledger(disked, accounts(disked), patience=15)
    ledger.send(10)
    with no_inodes(disked):
        all_is_later(ledger, or_unsent=True)
        assert "failure" in status(disked, "disk")
        added = disked.posthouse(
            "user", "add", f"late@{DOMAIN}", "--password-stdin", input=PASSWORD + "\n", check=False
        )
        assert "Traceback" not in added.stderr
        with disked.imap(folder="INBOX") as client:
            assert client.search(["ALL"])
    whole(ledger)


@pytest.mark.full
def test_a_disk_that_can_only_be_read(disked: Server) -> None:
    """As after an error of the disk (errors=remount-ro). It takes a boot to get out of that, and no more."""
    ledger = Ledger(disked, accounts(disked), patience=15)
    ledger.send(20, until_taken=True)
    disked.machine.disk.break_down()
    all_is_later(ledger, or_unsent=True)
    for command in (["status"], ["plan"], ["apply", "--yes"], ["user", "list"]):
        assert "Traceback" not in disked.posthouse(*command, check=False).stderr, command
    added = disked.posthouse(
        "user", "add", f"late@{DOMAIN}", "--password-stdin", input=PASSWORD + "\n", check=False
    )
    assert added.returncode
    assert "read" in added.stderr.lower(), added
    disked.machine.power_cut()
    ledger.cuts += 1
    disked.machine.boot()
    awaited(lambda: disked.pids("master"), "Postfix", 120)
    whole(ledger)
