"""The power goes with the directory in PostgreSQL, and while it moves there and back: no accepted message is lost."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, awaited
from tests.machine.test_kills import stands_again
from tests.machine.test_power_cut import cut_and_boot, cut_while_mail_comes_in

from posthouse.lab import Network
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.full]

GROUNDS = (GroundCase("bookworm", "systemd", None), GroundCase("trixie", "systemd", None))
DISK = 1800  # MiB
MOVES = 4


@pytest.fixture(scope="module", params=[pytest.param(case, id=f"power-{case.name}") for case in GROUNDS])
def server(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A mail server on PostgreSQL, with a disk that loses what was not synced."""
    case: GroundCase = request.param
    machine = make_machine(net, case, f"power-{case.name}", archive, disk=DISK)
    publish(net, machine)
    where = unpack(machine, archive)
    up = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER]
    up += ["--directory", "postgresql", "--password-stdin", "--yes"]
    machine.run(up, input=PASSWORD + "\n", timeout=1800)
    machine.run(["rm", "-rf", where])
    yield Server(machine, net)
    machine.destroy()


def standing(server: Server) -> dict[str, Any]:
    """What `directory show` says, once it can be asked."""

    def asked() -> dict[str, Any] | None:
        shown: dict[str, Any] = json.loads(
            server.posthouse("directory", "show", "--json", check=False).stdout
        )
        return shown if shown["problem"] is None else None

    found: dict[str, Any] = until(asked, 60, "the directory to be asked")
    return found


def test_mail_outlasts_power_cuts(server: Server) -> None:
    cut_while_mail_comes_in(server, 150, 40, seed=7)
    assert standing(server)["backend"] == "postgresql"
    assert server.posthouse("plan", "--exit-code").returncode == 0


def test_a_move_is_cut_off_by_the_power(server: Server) -> None:
    """Mail comes in all the time. After the boot it flows; said again, the move ends where it was to end."""
    chance = random.Random(8)
    ledger = Ledger(server, accounts(server), 8, largest=30_000, patience=15)
    before = standing(server)
    for turn in range(MOVES):
        kind = ("sqlite", "postgresql")[turn % 2]
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(ledger.send, 12, 2, until_taken=True)
            moving = server.machine.start(["posthouse", "directory", "move", kind, "--yes"])
            with suppress(subprocess.TimeoutExpired):
                moving.popen.wait(chance.uniform(0.5, 14))
            cut_and_boot(server)
            ledger.cuts += 1
            moving.popen.wait(60)
            stands_again(server)
            found = standing(server)
            print(
                f"turn {turn}, to {kind}: found in {found['backend']}, under way: {found['move_under_way']}"
            )
            if found["move_under_way"] or found["backend"] != kind:
                server.run(["posthouse", "directory", "move", kind, "--yes"], timeout=600)
            sending.result()
        stands_again(server)
        now = standing(server)
        assert (now["backend"], now["move_under_way"]) == (kind, False)
        for count in ("domains", "accounts", "aliases", "grants"):
            assert now[count] == before[count], count
        server.posthouse("user", "change", USER, "--name", f"turn {turn}")
        assert server.posthouse("plan", "--exit-code").returncode == 0
    audit = ledger.audit(timeout=300)
    print(audit)
    assert not audit.wrong, str(audit)
    awaited(lambda: not server.queue(), "an empty queue")
