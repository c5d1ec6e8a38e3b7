"""A supported Debian, and root."""

from __future__ import annotations

import os
from collections.abc import Iterator

from posthouse.doctor.check import Check, failure, ok
from posthouse.errors import PosthouseError
from posthouse.host import machine


def check() -> Iterator[Check]:
    """Check the system and the user."""
    try:
        release = machine.release()
    except PosthouseError as error:
        yield failure("Debian", error.message, error.hint or "", fatal=True)
    else:
        manager = machine.ground().manager
        yield ok("Debian", f"Debian {release.debian} ({release.suite}), daemons run under {manager}")
    if os.geteuid() == 0:
        yield ok("root", "this runs as root")
    else:
        yield failure("root", f"this runs as user number {os.geteuid()}", "say it with sudo", fatal=True)
