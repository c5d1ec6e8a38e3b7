"""The nightly job that frees the room of deleted messages: an mdbox keeps them until it is told (doveadm-purge(1)).

A timer under systemd; under supervisor a program that sleeps for a day, again and again.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, File, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

NAME = "posthouse-purge"
UNITS = Path("/etc/systemd/system")
DAY = 86400  # seconds


def blueprint(wanted: Wanted) -> Blueprint:
    """What the job needs."""
    units = tuple(
        File(UNITS / f"{NAME}.{kind}", render(f"purge/{NAME}.{kind}.j2", command=paths.COMMAND))
        for kind in ("service", "timer")
    )
    loop = f"while sleep {DAY}; do {paths.COMMAND} mailbox purge; done"
    return Blueprint(
        files=() if wanted.supervised else units,
        services=(
            Service(
                NAME, f"{NAME}.timer", Program(("/bin/sh", "-c", loop)), restart_on=(UNITS / f"{NAME}.timer",)
            ),
        ),
    )
