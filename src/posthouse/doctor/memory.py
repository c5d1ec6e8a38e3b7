"""Enough memory: the whole stack takes about 300 MiB at rest and 350 to 400 under load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from posthouse.doctor.check import Check, failure, ok, warning

NEEDED_MIB = 400  # what a machine sold as "512 MB" still shows
COMFORTABLE_MIB = 900
_MEMINFO = Path("/proc/meminfo")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def check() -> Iterator[Check]:
    """Check the memory that the machine, or the container's limit, leaves."""
    info = {key: int(rest.split()[0]) for key, _, rest in _lines() if rest.split()}
    memory = min([info["MemTotal"] // 1024, *_limit_mib()])
    swap = info.get("SwapTotal", 0) // 1024
    found = f"{memory} MiB of memory, {swap} MiB of swap"
    if memory < NEEDED_MIB:
        yield failure(
            "memory", f"{found}; the mail service needs {NEEDED_MIB} MiB",
            "give the machine at least 512 MiB, better 1 GiB", fatal=True,
        )  # fmt: skip
    elif memory + swap < COMFORTABLE_MIB:
        yield warning(
            "memory", f"{found}: enough for the daemons, with little to spare",
            "add 1 GiB of swap, so that a large message or an upgrade does not end a daemon",
        )  # fmt: skip
    else:
        yield ok("memory", found)


def _lines() -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in _MEMINFO.read_text().splitlines()]


def _limit_mib() -> list[int]:
    texts = [path.read_text().strip() for path in _LIMITS if path.is_file()]
    return [int(text) // 2**20 for text in texts if text.isdigit()]
