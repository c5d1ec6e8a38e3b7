"""Measure a fresh machine of each Debian, and print the table of docs/figures.md."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machine.conftest import checkout_archive, make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server

from bench.chains import chains
from bench.databases import compare
from bench.formats import formats
from bench.growth import growth
from bench.letters import DOMAIN as SENDER_DOMAIN
from bench.letters import Domain
from bench.load import Target, in_maildirs
from bench.scale import scale
from bench.sessions import sessions
from posthouse import paths
from posthouse.lab import Machine, Network

_FSYNC = """
import os, time
end, n = time.monotonic() + 2, 0
while time.monotonic() < end:
    fd = os.open('/var/tmp/f', os.O_CREAT | os.O_WRONLY | os.O_TRUNC); os.write(fd, b'x' * 4096); os.fsync(fd)
    os.close(fd); os.unlink('/var/tmp/f'); n += 1
print(n // 2)
"""
_TIMED = """
import resource, subprocess, sys, time
runs = []
for _ in range(7):
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    runs.append((wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
runs.sort()
print(*runs[len(runs) // 2])
"""


# parts that take long, or a machine of their own
ONLY = {
    "databases": "a message's cost on PostgreSQL beside SQLite's",
    "scale": "what 100,000 accounts cost",
    "formats": "a message's way in both formats beside the roof, by stage and process",
    "sessions": "IMAP sessions a second, with a cheap verifier and with ARGON2ID",
    "growth": "mailboxes of 50,000 messages beside small ones",
    "chains": "both filter chains, the roof, and the hand-made ancestor of the classic one",
}


class Table:
    """Figures of one machine, printed as they come."""

    def __init__(self, suite: str) -> None:
        self._suite = suite

    def row(self, figure: str, value: str, wanted: str = "") -> None:
        """Print one figure and what it should be."""
        load = f"{os.getloadavg()[0]:.1f}"
        print(f"| {self._suite} | {figure} | {value} | {wanted} | {load} |", flush=True)


def timed(machine: Machine, *command: str) -> str:
    """Median wall and CPU seconds of a command inside the machine, of seven runs."""
    wall, cpu = machine.run(["/usr/bin/python3", "-c", _TIMED, *command], timeout=300).stdout.split()
    return f"{float(wall):.3f} s, CPU {float(cpu):.3f} s"


@contextmanager
def unfiltered(server: Server) -> Iterator[None]:
    """The same stack with the filter taken out of port 25, by an override, for the roof."""
    path = paths.OVERRIDES / "postfix/main.cf"
    server.run(["mkdir", "-p", str(path.parent)])
    server.machine.write(str(path), "smtpd_milters =\n")
    server.posthouse("apply", "--yes")
    yield
    server.run(["rm", str(path)])
    server.posthouse("apply", "--yes")


def commands(table: Table, server: Server) -> None:
    """What the operator waits for."""
    table.row("plan, nothing to do", timed(server.machine, "posthouse", "plan"), "0.3 s")
    table.row("posthouse --help", timed(server.machine, "posthouse", "--help"), "0.25 s")
    table.row("user list, 100 accounts", timed(server.machine, "posthouse", "user", "list"), "0.25 s")
    runs = []
    for number in range(5):
        begin = time.perf_counter()
        server.posthouse("user", "add", f"quick{number}@{DOMAIN}", "--password-stdin", input=PASSWORD + "\n")
        with server.imap(f"quick{number}@{DOMAIN}"):
            runs.append(time.perf_counter() - begin)
    table.row("user add, then its IMAP login", f"{statistics.median(runs):.3f} s", "0.5 s")


def load(server: Server) -> Target:
    """An honest sender elsewhere, and eight accounts here."""
    sender = Domain(server.net.v4(1))
    server.net.dns.set_zone(SENDER_DOMAIN, sender.zone())
    server.net.dns.set_ptr(sender.address, f"client.{SENDER_DOMAIN}")
    store = server.machine.root / str(paths.STORE / DOMAIN / "mails").lstrip("/")
    maildirs = {f"u{n}@{DOMAIN}": store / f"u{n}" for n in range(8)}
    return Target(server.net, server.machine, sender, maildirs, in_maildirs(maildirs))


def mail(table: Table, target: Target, server: Server, count: int, turns: int) -> None:
    """Messages through port 25, with and without the filter, turn by turn."""
    target.run(100, 4, "warm")
    accepted, seen = target.light(60, "light")
    table.row("light load: MAIL to 250", f"{accepted * 1000:.1f} ms", "20 ms")
    table.row("light load: 250 to visible", f"{seen * 1000:.1f} ms", "20 ms")
    full, roof = [], []
    for turn in range(turns):
        full.append(target.run(count, 10, f"full{turn}"))
        with unfiltered(server):
            target.run(50, 4, f"warm{turn}")
            roof.append(target.run(count, 10, f"roof{turn}"))
        target.run(50, 4, f"back{turn}")
    ratio = statistics.median(one.rate / other.rate for one, other in zip(full, roof, strict=True))
    for what, loads, wanted in (("all checks", full, "95/s"), ("no filter (the roof)", roof, "")):
        best = max(loads, key=lambda load: load.rate)
        value = f"{best.rate:.0f} messages/s, {best.cpu_each * 1000:.1f} ms CPU each"
        table.row(f"port 25 to visible, 10 sessions, {what}", value, wanted)
    table.row(f"ratio to the roof, median of {turns}", f"{ratio:.2f}", "0.6")


def rest(table: Table, machine: Machine) -> None:
    """What the machine keeps when the load is over."""
    time.sleep(30)
    pss = machine.memory_pss()
    table.row("whole machine, 30 s after use", f"{pss.total() / 2**20:.0f} MiB PSS", "300 MiB")
    largest = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in pss.most_common(12))
    table.row("of it", largest)


def measure(net: Network, suite: str, archive: Path, count: int, turns: int, only: str | None) -> None:
    """Everything on one machine, made from a snapshot with Debian's packages and the libraries in it.

    `only`: one of `ONLY` instead of all else.
    """
    table = Table(suite)
    if only == "chains":
        chains(net, suite, archive, count, turns, table.row, unfiltered)
        return
    machine = make_machine(net, GroundCase(suite, "systemd", None), f"bench-{suite}", archive)
    publish(net, machine)
    table.row(
        "create + fsync + unlink, serial",
        machine.run(["/usr/bin/python3", "-c", _FSYNC]).stdout.strip() + "/s",
    )
    where = unpack(machine, archive)
    up = [
        f"{where}/posthouse",
        "up",
        DOMAIN,
        "--hostname",
        HOST,
        "--account",
        USER,
        "--password-stdin",
        "--yes",
    ]
    begin = time.perf_counter()
    machine.run(up, input=PASSWORD + "\n", timeout=900)
    table.row("up until proven, all packages there", f"{time.perf_counter() - begin:.1f} s", "60 s")
    server = Server(machine, net)
    if only in ("scale", "growth", "sessions"):
        if only == "scale":
            scale(server, table.row)
        elif only == "growth":
            growth(server, table.row)
        else:
            sessions(server, table.row, count, turns)
        machine.destroy()
        return
    for number in range(8 if only else 98):
        server.posthouse("user", "add", f"u{number}@{DOMAIN}", "--password-stdin", input=PASSWORD + "\n")
    target = load(server)
    if only is not None:
        if only == "databases":
            compare(target, server, count, turns, table.row)
        else:
            formats(target, server, count, turns, table.row, unfiltered)
            rest(table, machine)
        machine.destroy()
        return
    commands(table, server)
    mail(table, target, server, count, turns)
    rest(table, machine)
    machine.destroy()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--suite", choices=["bookworm", "trixie"], action="append", help="only this Debian")
    parser.add_argument("--messages", type=int, default=1000, help="in each run of the load (1000)")
    parser.add_argument("--turns", type=int, default=3, help="runs with and without the filter (3)")
    choice = parser.add_mutually_exclusive_group()
    for name, what in ONLY.items():
        choice.add_argument(f"--{name}", action="store_const", dest="only", const=name, help=f"only {what}")
    arguments = parser.parse_args()
    print("| Debian | figure | measured | wanted | host load |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, Network("bench") as net:
        archive = checkout_archive(Path(folder))
        for suite in arguments.suite or ["bookworm", "trixie"]:
            measure(net, suite, archive, arguments.messages, arguments.turns, arguments.only)


if __name__ == "__main__":
    main()
