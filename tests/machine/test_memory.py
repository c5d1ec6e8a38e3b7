"""A machine with 512 MiB takes five hundred messages; with less, what is killed comes back, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.machine.conftest import _snapshot, make_server
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import HOST, Server, awaited
from tests.machine.test_kills import stands_again

from posthouse.lab import Network

pytestmark = [pytest.mark.machine, pytest.mark.full]
MIB = 2**20


@pytest.fixture(scope="module", params=["13-memory", "12-memory"])
def small(request: pytest.FixtureRequest, net: Network, archive: object) -> Iterator[Server]:
    """A mail server with 512 MiB of memory for all of it, from its making on."""
    suite = {"12": "bookworm", "13": "trixie"}[request.param[:2]]
    base = _snapshot(net, suite, archive)  # type: ignore[arg-type]
    machine = net.machine(f"mail-{request.param}", suite, "systemd", base, HOST, memory=512 * MIB)
    yield make_server(machine, net, archive)  # type: ignore[arg-type]
    machine.destroy()


def test_five_hundred_messages_in_512_mib(small: Server) -> None:
    ledger = Ledger(small, accounts(small), largest=20_000)
    ledger.send(500, sessions=10, until_taken=True)
    audit = ledger.audit()
    cgroup = small.machine.cgroup
    peak, pss = cgroup.memory_peak() // MIB, small.machine.memory_pss() // MIB
    print(f"peak {peak} MiB with files in memory, {pss} MiB of processes afterwards; {audit}")
    assert not audit.wrong, str(audit)
    assert not audit.duplicates, str(audit)
    assert audit.delivered == 500
    assert cgroup.memory_kills() == 0


def test_what_is_killed_for_want_of_memory_comes_back(small: Server) -> None:
    """The limit falls under load until the kernel ends processes, and rises again."""
    cgroup, limit = small.machine.cgroup, 512 * MIB
    ledger = Ledger(small, accounts(small), largest=20_000, patience=30)
    before = cgroup.memory_kills()
    for _ in range(20):
        with suppress(OSError):  # version 1 refuses a limit that it cannot reach by freeing
            cgroup.limit_memory(limit - 24 * MIB)
            limit -= 24 * MIB
        ledger.send(20, sessions=6)
        if cgroup.memory_kills() > before:
            break
    killed = cgroup.memory_kills() - before
    cgroup.limit_memory(512 * MIB)
    print(f"{killed} killed at {limit // MIB} MiB")
    assert killed
    awaited(lambda: all(entry.taken for entry in ledger.send(1)), "mail to be taken again", 120)
    stands_again(small)
    audit = ledger.audit(timeout=300)
    print(audit)
    assert not audit.wrong, str(audit)
