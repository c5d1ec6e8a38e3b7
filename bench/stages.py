"""Where a message's CPU time goes: milliseconds of each kind of process, for each message."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress

from posthouse.lab import Machine

_TICKS = os.sysconf("SC_CLK_TCK")
_SHOWN = 0.15  # ms; less is "the rest"


def spent(machine: Machine) -> Counter[str]:
    """CPU seconds of all processes of the machine, their ended children included, by the process's name."""
    found: Counter[str] = Counter()
    for folder in (machine.root / "proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            text = (folder / "stat").read_text()
            name, rest = text.partition("(")[2].rpartition(")")[::2]
            found[name] += sum(int(ticks) for ticks in rest.split()[11:15]) / _TICKS  # proc_pid_stat(5)
    return found


def each(before: Counter[str], after: Counter[str], messages: int) -> str:
    """What was spent between two looks, as text: "rspamd 4.4, lmtp 4.1, ..." in ms for a message."""
    ms = {name: (seconds - before[name]) / messages * 1000 for name, seconds in after.items()}
    large = sorted(((value, name) for name, value in ms.items() if value >= _SHOWN), reverse=True)
    rest = sum(value for value in ms.values() if 0 < value < _SHOWN)
    return ", ".join([*(f"{name} {value:.1f}" for value, name in large), f"the rest {rest:.1f}"])
