"""The power goes at any moment, and what was not synced with it: after the boot all is right, by itself."""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import DOMAIN, PASSWORD, Server, awaited, letter
from tests.machine.test_changes import SITE, change_size, live_size
from tests.machine.test_kills import stands_again

pytestmark = pytest.mark.machine


def cut_and_boot(server: Server) -> None:
    """Cut the power, lose what was never synced, and boot."""
    server.machine.power_cut(lose_unsynced=True)
    server.machine.boot()


def cut_while_mail_comes_in(server: Server, messages: int, every: int, seed: int) -> None:
    """Send that many; whenever about `every` more were taken the power goes."""
    chance = random.Random(seed)
    ledger = Ledger(server, accounts(server), seed, largest=100_000, patience=15)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, messages, 6, until_taken=True)
        while not sending.done():
            goal = ledger.taken + chance.randrange(every // 2, every * 3 // 2)
            awaited(lambda goal=goal: sending.done() or ledger.taken >= goal, "more messages", 180)  # type: ignore[misc]
            if not sending.done():
                cut_and_boot(server)
                ledger.cuts += 1
        sending.result()
    stands_again(server)
    audit = ledger.audit(timeout=300)
    print(f"{ledger.cuts} power cuts; {audit}")
    assert ledger.cuts
    assert not audit.wrong, str(audit)


def test_mail_outlasts_a_power_cut(disked: Server) -> None:
    """And the locks of what was at work then are gone, which would keep mailboxes shut."""
    disked.find(disked.send_again(letter()))  # its folders are there
    locks = [f"/var/mail/{place}/{DOMAIN}/mails/user/x.log.newlock" for place in ("vhosts", "indexes")]
    for lock in locks:
        disked.run(["install", "-o", "vmail", "-g", "vmail", "-m", "600", "/dev/null", lock])
    disked.run(["sync"])
    cut_while_mail_comes_in(disked, 80, 40, seed=3)
    assert [lock for lock in locks if disked.run(["test", "-e", lock], check=False).returncode == 0] == []


@pytest.mark.full
def test_mail_outlasts_many_power_cuts(disked: Server) -> None:
    cut_while_mail_comes_in(disked, 1000, 80, seed=4)


@pytest.mark.full
def test_apply_cut_off_by_the_power(disked: Server) -> None:
    """The configuration is the old or the new one, mail flows after the boot, and the next apply ends it."""
    chance = random.Random(5)
    site = disked.machine.read(SITE)
    sizes = [20_971_520, 22_020_096]
    before = live_size(disked)
    for turn in range(10):
        change_size(disked, site, sizes[turn % 2])
        disked.run(["sync", SITE])
        running = disked.machine.start(["posthouse", "apply", "--yes"])
        with suppress(subprocess.TimeoutExpired):
            running.popen.wait(chance.uniform(0.2, 4.0))
        cut_and_boot(disked)
        running.popen.wait(60)
        assert live_size(disked) in (before, sizes[turn % 2])
        stands_again(disked)
        disked.posthouse("apply", "--yes")
        assert (before := live_size(disked)) == sizes[turn % 2]
        assert disked.posthouse("plan", "--exit-code").returncode == 0
    disked.machine.write(SITE, site)
    disked.posthouse("apply", "--yes")
    stands_again(disked)


@pytest.mark.full
def test_the_directory_outlasts_power_cuts(disked: Server) -> None:
    """An account that was said to be there is there after the boot, and can log in."""
    chance = random.Random(6)
    for turn in range(4):
        sure = []
        with ThreadPoolExecutor(1) as pool:

            def add(turn: int = turn, sure: list[str] = sure) -> None:
                for number in range(1000):
                    name = f"cut{turn}-{number}@{DOMAIN}"
                    made = disked.posthouse(
                        "user", "add", name, "--password-stdin", input=PASSWORD + "\n", check=False
                    )
                    if made.returncode:
                        return
                    sure.append(name)

            adding = pool.submit(add)
            goal = chance.randrange(2, 8)
            awaited(lambda sure=sure, goal=goal: len(sure) >= goal, "accounts", 120)  # type: ignore[misc]
            cut_and_boot(disked)
            with suppress(Exception):  # the machine was off
                adding.result()
        stands_again(disked)
        for name in sure:
            with disked.imap(name):
                pass
