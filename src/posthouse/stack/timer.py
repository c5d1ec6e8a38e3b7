"""A command that is said again and again: a timer under systemd, a program that sleeps between under supervisor."""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import File, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

_UNITS = Path("/etc/systemd/system")


def job(
    wanted: Wanted, name: str, folder: str, command: str, seconds: int
) -> tuple[tuple[File, ...], Service]:
    """Return the units of a job and its service.

    Args:
        wanted: what is rendered, and for which service manager.
        name: of the units; their templates are FOLDER/NAME.service.j2 and .timer.j2, which say when under systemd.
        folder: of the templates, below `stack/`.
        command: a shell command without quoting.
        seconds: between two runs under supervisor.
    """
    units = tuple(
        File(_UNITS / f"{name}.{kind}", render(f"{folder}/{name}.{kind}.j2", command=command))
        for kind in ("service", "timer")
    )
    loop = Program(("/bin/sh", "-c", f"while sleep {seconds}; do {command}; done"))
    timer = f"{name}.timer"
    return () if wanted.supervised else units, Service(name, timer, loop, restart_on=(_UNITS / timer,))
