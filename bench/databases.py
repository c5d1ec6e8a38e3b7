"""PostgreSQL's cost of a message beside SQLite's: the same machine, moved from one to the other in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from tests.machine.server import Server

from bench.load import Target

BACKENDS = ("sqlite", "postgresql")


def compare(
    target: Target, server: Server, count: int, turns: int, row: Callable[[str, str, str], None]
) -> None:
    """Send `count` messages through port 25 on each database, `turns` times, and tell the figures.

    The directory is in SQLite before and afterwards.
    """
    rates: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    costs: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    for turn in range(turns):
        for backend in BACKENDS:
            if turn or backend != BACKENDS[0]:
                server.run(["posthouse", "directory", "move", backend, "--yes"], timeout=900)
            target.run(50, 4, f"{backend}-warm{turn}")
            load = target.run(count, 10, f"{backend}{turn}")
            rates[backend].append(load.rate)
            costs[backend].append(load.cpu_each * 1000)
    server.run(["posthouse", "directory", "move", BACKENDS[0], "--yes"], timeout=900)
    for backend in BACKENDS:
        value = f"{max(rates[backend]):.0f} messages/s, {min(costs[backend]):.1f} ms CPU each"
        row(f"port 25 to visible, 10 sessions, directory in {backend}", value, "")
    pairs = zip(costs["postgresql"], costs["sqlite"], strict=True)
    ratio = statistics.median(ours / other for ours, other in pairs)
    row(f"PostgreSQL's CPU a message by SQLite's, median of {turns}", f"{ratio:.2f}", "")
