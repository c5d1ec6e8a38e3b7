"""Every daemon is killed under load, in turn and at random: no message is lost, and all come back by themselves."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from imapclient.exceptions import IMAPClientError
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import Server, awaited, letter

from posthouse.lab.enter import command_name

pytestmark = pytest.mark.machine

# Both Postfix and Dovecot have an lmtp and an anvil.
DAEMONS = (
    "smtpd", "cleanup", "qmgr", "lmtp", "rspamd", "redis-server", "dovecot", "unbound", "posthouse.agent",
    "anvil", "master", "imap", "imap-login", "auth", "proxymap", "trivial-rewrite", "stats", "tlsmgr",
)  # fmt: skip
RESIDENT = ("master", "qmgr", "dovecot", "rspamd", "redis-server", "unbound", "posthouse.agent")


def processes(server: Server, name: str) -> list[int]:
    """The host's pids of a machine's processes of this name, or with this word on their command line."""
    found = []
    for pid in server.machine.cgroup.pids():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if command_name(pid) == name or name.encode() in words:
                found.append(pid)
    return found


def kill_under_load(server: Server, messages: int, every: int, seed: int) -> Ledger:
    """Send that many messages; whenever `every` more were taken, kill: each daemon in turn, then any of them."""
    chance = random.Random(seed)
    ledger = Ledger(server, accounts(server), seed, largest=20_000)
    turns: Iterator[str] = iter([*DAEMONS, *(chance.choice(DAEMONS) for _ in range(messages))])
    killed = []
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, messages, 6, until_taken=True)
        for goal in count(every, every):
            awaited(lambda goal=goal: sending.done() or ledger.taken >= goal, "more messages", 240)  # type: ignore[misc]
            if sending.done():
                break
            name = next(turns)
            for pid in chance.sample(
                there := processes(server, name), min(len(there), 1 + chance.randrange(2))
            ):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.append(name)
        sending.result()
    print(f"{len(killed)} killed: {' '.join(killed)}")
    return ledger


def logs_in(server: Server) -> bool:
    """Whether a user may come in now; a reply that is not a temporary one is an error."""
    try:
        with server.imap():
            return True
    except (OSError, IMAPClientError) as error:
        # [UNAVAILABLE], or no reply at all: after anvil's death Dovecot 2.4 turns one login away, and begins anew.
        if "AUTHENTICATIONFAILED" in str(error):
            raise
        return False


def stands_again(server: Server) -> None:
    """Mail flows, and all that must run does, by itself."""
    awaited(lambda: logs_in(server), "a login", 150)
    # The letter comes first: master(8) starts qmgr where there is something to look at, or after five minutes.
    subject = server.send_again(letter())
    # After the death of Dovecot's auth each of its idle lmtp processes says "later" once (two, or three shortly after a
    # rush), and Postfix tries again after up to a minute.
    awaited(lambda: server.count(subject), "mail to flow again", 300)
    for name in RESIDENT:
        awaited(lambda name=name: processes(server, name), f"{name} to be back", 90)  # type: ignore[misc]
    if server.machine.spec.pid1 == "systemd":
        assert server.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout.strip() == ""


@pytest.mark.grounds("12-systemd-clean")
def test_daemons_killed_under_load_lose_nothing(server: Server) -> None:
    ledger = kill_under_load(server, 150, 7, seed=1)
    stands_again(server)
    audit = ledger.audit()
    print(audit)
    assert not audit.wrong, str(audit)


@pytest.mark.full
def test_two_thousand_messages(server: Server) -> None:
    ledger = kill_under_load(server, 2000, 10, seed=2)
    stands_again(server)
    audit = ledger.audit(timeout=400)
    print(audit)
    assert not audit.wrong, str(audit)
    assert audit.delivered == 2000
