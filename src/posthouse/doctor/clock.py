"""The clock: with a wrong one certificates, signatures and apt's lists are not valid."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

from posthouse.doctor.check import Check, failure, ok, unknown, warning

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex is smaller; zeroed, `modes` 0 only reads
_DAY = 86_400
_WITNESS = Path("/var/lib/dpkg/status")
_MEND = (
    "`apt-get install systemd-timesyncd` (or chrony), then `timedatectl set-ntp true`;"
    " in a container its host keeps the clock"
)


def check() -> Iterator[Check]:
    """Compare the clock with a file of the past, and ask the kernel whether something keeps it right."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if _WITNESS.exists() and _WITNESS.stat().st_mtime > now + _DAY:
        yield failure("clock", f"it says {shown}, and a file on the disk is newer than that", _MEND)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state < 0:
        yield unknown("clock", f"it says {shown}; whether something keeps it right cannot be seen")
    elif state == _TIME_ERROR:
        yield warning("clock", f"it says {shown}, and nothing synchronises it", _MEND)
    else:
        yield ok("clock", f"synchronised, {shown}")
