"""Sessions a second: login, SELECT, FETCH of 50 headers, with a cheap verifier and with ARGON2ID."""

from __future__ import annotations

import base64
import hashlib
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context

from tests.machine.server import DOMAIN, PASSWORD, Server

from bench.imap import LIST, Imap
from bench.letters import Domain
from posthouse.lab import Machine, Network

Row = Callable[[str, str, str], None]
CONNECTIONS, MESSAGES = 8, 200
_FORK = get_context(
    "fork"
)  # a network and a machine hold locks and processes, which cannot be sent to another


def sessions(server: Server, row: Row, count: int, turns: int) -> None:
    """Tell how many whole sessions a second, and what their CPU time goes to, for two kinds of verifier."""
    salt = os.urandom(8)
    digest = base64.b64encode(hashlib.sha256(PASSWORD.encode() + salt).digest() + salt).decode()
    cheap, dear = f"cheap@{DOMAIN}", f"dear@{DOMAIN}"
    server.machine.write("/root/cheap.csv", f"address,password_hash\n{cheap},{{SSHA256}}{digest}\n")
    server.run(["posthouse", "import", "accounts", "/root/cheap.csv", "--yes"])
    server.posthouse("user", "add", dear, "--password-stdin", input=PASSWORD + "\n")
    letters = Domain(server.net.v4(1))
    for user in (cheap, dear):
        with Imap(server.net, server.machine, user) as session:
            session.append([letters.letter(number, "session", user) for number in range(MESSAGES)])
    rates: dict[str, list[float]] = {cheap: [], dear: []}
    costs: dict[str, list[float]] = {cheap: [], dear: []}
    for _ in range(turns):
        for user in (cheap, dear):
            seconds, cpu = _run(server.net, server.machine, user, count)
            rates[user].append(count / seconds)
            costs[user].append(cpu / count * 1000)
    for user, what, wanted in ((cheap, "SSHA256", "100/s"), (dear, "ARGON2ID", "")):
        value = f"{max(rates[user]):.0f}/s, {statistics.median(costs[user]):.1f} ms CPU each"
        row(f"IMAP login, SELECT, FETCH of 50 headers, {CONNECTIONS} connections, {what}", value, wanted)
    alone = statistics.median(ours - other for ours, other in zip(costs[dear], costs[cheap], strict=True))
    row("ARGON2ID's own CPU time for a login", f"{alone:.1f} ms", "20 ms")


def _run(net: Network, machine: Machine, user: str, count: int) -> tuple[float, float]:
    """Wall seconds and the machine's CPU seconds of so many sessions."""
    before, begin = _cpu(machine), time.perf_counter()
    clients = [
        _FORK.Process(target=_some, args=(net, machine, user, count // CONNECTIONS))
        for _ in range(CONNECTIONS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        if client.exitcode:
            raise RuntimeError(f"a client of {user} ended with {client.exitcode}")
    return time.perf_counter() - begin, _cpu(machine) - before


def _some(net: Network, machine: Machine, user: str, count: int) -> None:
    for _ in range(count):
        with Imap(net, machine, user) as session:
            session.say("SELECT INBOX")
            session.say(f"FETCH {MESSAGES - 49}:* {LIST}")
            session.say("LOGOUT")


def _cpu(machine: Machine) -> float:
    stat = dict(line.split() for line in (machine.cgroup.path / "cpu.stat").read_text().splitlines())
    return int(stat["usage_usec"]) / 1e6
