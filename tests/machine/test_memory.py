"""A machine with 512 MiB takes five hundred messages; with less, what is killed comes back, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from tests.machine.conftest import _snapshot, make_server
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import HOST, Server, awaited
from tests.machine.test_kills import DAEMONS, processes, stands_again

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
    peak, pss = cgroup.memory_peak() // MIB, small.machine.memory_pss().total() // MIB
    print(f"peak {peak} MiB with files in memory, {pss} MiB of processes afterwards; {audit}")
    assert not audit.wrong, str(audit)
    assert not audit.duplicates, str(audit)
    assert audit.delivered == 500
    assert cgroup.memory_kills() == 0


_HOG = """
import time
held = []
while True:
    held.append(bytearray(2**20))
    time.sleep(0.02)
"""


def test_what_is_killed_for_want_of_memory_comes_back(small: Server) -> None:
    """Under load another program takes memory until the kernel has ended three processes of the mail service."""
    cgroup = small.machine.cgroup
    ledger = Ledger(small, accounts(small), largest=20_000, patience=30)
    before = cgroup.memory_kills()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, 150, 6, until_taken=True)
        awaited(lambda: ledger.taken > 20, "the first messages")
        for name in DAEMONS:  # the kernel shall end these, and not the other (proc_pid_oom_score_adj(5))
            for pid in processes(small, name):
                with suppress(OSError):
                    Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
        hog = small.machine.start(["/usr/bin/python3", "-c", _HOG])
        try:
            awaited(lambda: cgroup.memory_kills() - before >= 3, "the kernel to end three processes", 120)
        finally:
            hog.send_signal(signal.SIGKILL)
            hog.kill_all()
        sending.result()
    print(f"{cgroup.memory_kills() - before} killed")
    stands_again(small)
    audit = ledger.audit(timeout=300)
    print(audit)
    assert not audit.wrong, str(audit)
