"""Many accounts: importing 10,000 of them, and whether lookups and pages cost the same among 100,000 as among 100."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from tests.machine.server import DOMAIN, Server

from bench.databases import BACKENDS

HASH = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$5nHCqvUxRPJ0QXTcC6ICG0I4YK0Gm9JW9MQ5dkQ2ZGs"
FEW, MANY, IMPORTED = 100, 100_000, 10_000
_KEYS = 500  # lookups in a run
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
print(sorted(directory.reading(work) for _ in range(5))[2])
"""

Row = Callable[[str, str, str], None]


def scale(server: Server, row: Row) -> None:
    """Tell the figures, in SQLite and in PostgreSQL; the machine has some accounts, and has 120,000 afterwards."""
    _fill(server, "few", FEW)
    few = {}
    for backend in BACKENDS:
        _move(server, backend)
        few[backend] = _lookups(server, "few", FEW)
    for backend in reversed(BACKENDS):
        _move(server, backend)
        seconds = _fill(server, f"{backend}-hashed", IMPORTED)
        row(f"{backend}: import of {IMPORTED:,} accounts with hashes", f"{seconds:.1f} s", "10 s")
        seconds = _fill(server, f"{backend}-clear", IMPORTED, hashed=False)
        row(f"{backend}: import of {IMPORTED:,} accounts, passwords to hash", f"{seconds:.1f} s", "180 s")
    _fill(server, "many", MANY - 4 * IMPORTED)
    for backend in BACKENDS:
        _move(server, backend)
        many = _lookups(server, "many", MANY - 4 * IMPORTED)
        for what, seconds in many.items():
            before = few[backend][what]
            ratio = f"{seconds / before:.2f} ({before * 1000:.2f} and {seconds * 1000:.2f} ms)"
            row(f"{backend}: {what}, among {MANY:,} by among {FEW}", ratio, "flat")


def _fill(server: Server, name: str, count: int, hashed: bool = True) -> float:
    """Import accounts NAME-0@... and so on, each with an alias; return the seconds."""
    column, value = ("password_hash", f'"{HASH}"') if hashed else ("password", "correct horse battery")
    lines = [f"address,{column},aliases"]
    lines += [f"{name}-{n}@{DOMAIN},{value},alias-{name}-{n}@{DOMAIN}" for n in range(count)]
    server.machine.write("/root/people.csv", "\n".join(lines) + "\n")
    begin = time.perf_counter()
    server.run(["posthouse", "import", "accounts", "/root/people.csv", "--yes"], timeout=1800)
    return time.perf_counter() - begin


def _move(server: Server, backend: str) -> None:
    if json.loads(server.posthouse("directory", "show", "--json").stdout)["backend"] != backend:
        server.run(["posthouse", "directory", "move", backend, "--yes"], timeout=1800)


def _lookups(server: Server, name: str, count: int) -> dict[str, float]:
    """Seconds of one lookup of each kind, and of one page."""
    step = max(1, count // _KEYS)
    accounts = [f"{name}-{number}@{DOMAIN}" for number in range(0, count, step)][:_KEYS]
    aliases = "\n".join(f"alias-{address}" for address in accounts) + "\n"
    found: dict[str, float] = {}
    for setting in _MAPS:
        for table in server.run(["postconf", "-hx", setting]).stdout.replace(",", " ").split():
            if table.startswith("proxy:"):
                what = f"postmap -q {table.rpartition('/')[2].partition('.')[0]}"
                found[what] = _timed(server, ["postmap", "-q", "-", table], aliases) / len(accounts)
    users = " ".join(accounts)
    found["doveadm user"] = _timed(server, ["sh", "-c", f"doveadm user {users} >/dev/null"], "") / len(
        accounts
    )
    python = "/opt/posthouse/venv/bin/python"
    code = _SQL.replace("{domain}", DOMAIN)
    asked = server.run([python, "-I", "-c", code], input="\n".join(accounts))
    found["in SQL: mailbox, alias"] = float(asked.stdout) / len(accounts)
    page = ["posthouse", "user", "list", "--limit", "50"]
    found["user list, first page"] = _timed(server, page, "")
    last = sorted(accounts)[-2]
    found["user list, a page far behind"] = _timed(server, [*page, "--after", last], "")
    return found


def _timed(server: Server, command: list[str], given: str) -> float:
    runs = []
    for _ in range(5):
        begin = time.perf_counter()
        server.run(command, input=given, check=False)
        runs.append(time.perf_counter() - begin)
    return statistics.median(runs)
