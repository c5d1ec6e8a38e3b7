"""The daily job that takes DKIM keys on: those whose change is under way, and those that are old enough.

A timer under systemd; under supervisor a program that sleeps for a day, again and again.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, File, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

NAME = "posthouse-dkim"
UNITS = Path("/etc/systemd/system")
DAY = 86400  # seconds
_COMMAND = f"{paths.COMMAND} dkim rotate --due"


def blueprint(wanted: Wanted) -> Blueprint:
    """What the job needs."""
    units = tuple(
        File(UNITS / f"{NAME}.{kind}", render(f"rotation/{NAME}.{kind}.j2", command=_COMMAND))
        for kind in ("service", "timer")
    )
    loop = f"while sleep {DAY}; do {_COMMAND}; done"
    return Blueprint(
        files=() if wanted.supervised else units,
        services=(
            Service(
                NAME, f"{NAME}.timer", Program(("/bin/sh", "-c", loop)), restart_on=(UNITS / f"{NAME}.timer",)
            ),
        ),
    )
