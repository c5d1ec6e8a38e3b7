"""The time, by the clock on the wall, which anybody may set, and by the one that only counts on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Now:
    """A moment: seconds since the epoch, seconds since the boot (sleep included), and which boot that was."""

    wall: float
    up: float
    boot: str


def now() -> Now:
    """Return this moment. Source: clock_gettime(2), random(4)."""
    return Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), _BOOT.read_text().strip())
