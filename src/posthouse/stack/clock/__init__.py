"""What must be done when the clock is set: Dovecot is reloaded, under systemd, which alone notices.

Dovecot 2.4 does not connect to the directory again before the time that it was to, and its master starts nothing for
three minutes: after a clock went back by a day, logins and deliveries would be answered "later" for a day. A reload
mends both and ends no session.

Source: systemd.timer(5) (OnClockChange=), timerfd_create(2) (TFD_TIMER_CANCEL_ON_SET).
"""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint, File, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

NAME = "posthouse-clock"
UNITS = Path("/etc/systemd/system")
_RELOAD = ("/usr/bin/systemctl", "try-reload-or-restart", "dovecot.service")


def blueprint(wanted: Wanted) -> Blueprint:
    """What notices it; nothing under supervisor, where a person says `doveadm reload`."""
    if wanted.supervised:
        return Blueprint()
    files = tuple(
        File(UNITS / f"{NAME}.{kind}", render(f"clock/{NAME}.{kind}.j2", command=" ".join(_RELOAD)))
        for kind in ("service", "timer")
    )
    timer = UNITS / f"{NAME}.timer"
    return Blueprint(
        files=files, services=(Service(NAME, timer.name, Program(_RELOAD), restart_on=(timer,)),)
    )
