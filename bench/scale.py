"""Many accounts: importing 10,000 of them, and whether lookups and pages cost the same among 100,000 as among 100."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.machine.server import DOMAIN, Server

from bench.databases import BACKENDS
from bench.load import cpu_seconds

HASH = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$5nHCqvUxRPJ0QXTcC6ICG0I4YK0Gm9JW9MQ5dkQ2ZGs"
FEW, MANY, IMPORTED = 100, 100_000, 10_000
HASHED = 1_000  # passwords to hash: each costs the same
_KEYS = 500  # lookups in a run
_RUNS = 3
_MAPS = ("virtual_mailbox_domains", "virtual_alias_maps", "virtual_mailbox_maps")
_SQL = """
import sys, time
from posthouse import directory
from posthouse.directory import accounts, queries
from posthouse.directory import backend
names = queries.Names("user@{domain}", "dmarc-reports", ("mail.{domain}", "localhost"))
kind = queries.dialect_of(backend.current())
keys = sys.stdin.read().split()
asked = [queries.mailboxes("?", dialect=kind), queries.unaliased("?", dialect=kind)]
def work(connection):
    begin = time.perf_counter()
    for key in keys:
        for query in asked:
            connection.execute(query, (key,)).fetchall()
    return time.perf_counter() - begin
print(min(directory.reading(work) for _ in range(5)))
"""

Row = Callable[[str, str, str], None]


def scale(server: Server, row: Row) -> None:
    """Tell the figures, in SQLite and in PostgreSQL; the machine has some accounts, and has 100,000 afterwards."""
    _fill(server, "few", FEW)
    few: dict[str, dict[str, str]] = {}
    for backend in BACKENDS:
        _move(server, backend)
        few[backend] = _lookups(server, "few", FEW)
    for backend in reversed(BACKENDS):
        _move(server, backend)
        cost = _fill(server, f"{backend}-import", IMPORTED)
        row(f"{backend}: import of {IMPORTED:,} accounts with hashes, an alias each", str(cost), "10 s")
    cost = _fill(server, "clear", HASHED, hashed=False)
    row(f"sqlite: import of {HASHED:,} accounts, passwords to hash", str(cost), f"{HASHED * 180 // 10_000} s")
    rest = MANY - 2 * IMPORTED - HASHED
    row(f"sqlite: import of {rest:,} more", str(_fill(server, "many", rest)), "")
    for backend in BACKENDS:
        moved = _move(server, backend)
        if moved is not None:
            row(f"directory move {backend}, {MANY:,} accounts", str(moved), "")
        many = _lookups(server, "many", rest)
        for what, later in many.items():
            before = few[backend][what]
            row(f"{backend}: {what}, among {FEW} and {MANY:,}", f"{before}; {later}", "flat")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of the machine's processors."""

    seconds: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, CPU {self.cpu:.1f} s"


def _cost(server: Server, command: list[str]) -> Cost:
    cpu, begin = cpu_seconds(server.machine), time.perf_counter()
    server.run(command, timeout=1800)
    return Cost(time.perf_counter() - begin, cpu_seconds(server.machine) - cpu)


def _fill(server: Server, name: str, count: int, hashed: bool = True) -> Cost:
    """Import accounts NAME-0@... and so on, each with an alias."""
    column, value = ("password_hash", f'"{HASH}"') if hashed else ("password", "correct horse battery")
    lines = [f"address,{column},aliases"]
    lines += [f"{name}-{n}@{DOMAIN},{value},alias-{name}-{n}@{DOMAIN}" for n in range(count)]
    server.machine.write("/root/people.csv", "\n".join(lines) + "\n")
    return _cost(server, ["posthouse", "import", "accounts", "/root/people.csv", "--yes"])


def _move(server: Server, backend: str) -> Cost | None:
    """Have the directory there; None where it was."""
    if json.loads(server.posthouse("directory", "show", "--json").stdout)["backend"] == backend:
        return None
    return _cost(server, ["posthouse", "directory", "move", backend, "--yes"])


def _lookups(server: Server, name: str, count: int) -> dict[str, str]:
    """What one lookup of each kind costs, and one page: the best of some runs, on a host with other work."""
    step = max(1, count // _KEYS)
    accounts = [f"{name}-{number}@{DOMAIN}" for number in range(0, count, step)][:_KEYS]
    aliases = "\n".join(f"alias-{address}" for address in accounts) + "\n"
    found: dict[str, str] = {}
    for setting in _MAPS:
        for table in server.run(["postconf", "-hx", setting]).stdout.replace(",", " ").split():
            if table.startswith(("proxy:sqlite:", "proxy:pgsql:")):
                what = f"postmap -q {table.rpartition('/')[2].partition('.')[0].removeprefix('pgsql-')}"
                found[what] = _each(server, ["postmap", "-q", "-", table], aliases, len(accounts))
    users = ["sh", "-c", f"doveadm user {' '.join(accounts)} >/dev/null"]
    found["doveadm user"] = _each(server, users, "", len(accounts))
    python = "/opt/posthouse/venv/bin/python"
    code = _SQL.replace("{domain}", DOMAIN)
    asked = server.run([python, "-I", "-c", code], input="\n".join(accounts))
    found["in SQL: mailbox, alias"] = f"{float(asked.stdout) / len(accounts) * 1000:.3f} ms"
    page = ["posthouse", "user", "list", "--limit", "50"]
    found["user list, first page"] = _each(server, page, "", 1)
    last = sorted(accounts)[-2]
    found["user list, a page far behind"] = _each(server, [*page, "--after", last], "", 1)
    return found


def _each(server: Server, command: list[str], given: str, count: int) -> str:
    """The least seconds by the clock and of the machine's processors of some runs, for each of `count` things."""
    runs, cpus = [], []
    for _ in range(_RUNS):
        cpu, begin = cpu_seconds(server.machine), time.perf_counter()
        server.run(command, input=given, check=False)
        runs.append(time.perf_counter() - begin)
        cpus.append(cpu_seconds(server.machine) - cpu)
    return f"{min(runs) / count * 1000:.2f} ms, CPU {min(cpus) / count * 1000:.2f} ms"
