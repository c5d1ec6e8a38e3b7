"""What must be done when the clock is set: Dovecot and Postfix are reloaded, under systemd, which alone notices.

Dovecot 2.4 does not connect to the directory again before the time that it was to, and its master starts nothing for
three minutes: after a clock went back by a day, logins and deliveries would be answered "later" for a day. A reload
mends both and ends no session. Postfix's queue manager counts by the same clock: a destination that it gave a rest, and
a message that it put off, would wait for as long as the clock went back. A reload and a flush (postqueue(1)) mend that.

Source: systemd.timer(5) (OnClockChange=), timerfd_create(2) (TFD_TIMER_CANCEL_ON_SET).
"""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint, File, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

NAME = "posthouse-clock"
UNITS = Path("/etc/systemd/system")
_COMMANDS = (
    ("/usr/bin/systemctl", "try-reload-or-restart", "dovecot.service"),
    ("/usr/sbin/postfix", "reload"),
    ("/usr/sbin/postqueue", "-f"),
)


def blueprint(wanted: Wanted) -> Blueprint:
    """What notices it; nothing under supervisor, where a person says what docs/bad-days.md says."""
    if wanted.supervised:
        return Blueprint()
    files = tuple(
        File(UNITS / f"{NAME}.{kind}", render(f"clock/{NAME}.{kind}.j2", commands=map(" ".join, _COMMANDS)))
        for kind in ("service", "timer")
    )
    timer = UNITS / f"{NAME}.timer"
    return Blueprint(
        files=files, services=(Service(NAME, timer.name, Program(_COMMANDS[0]), restart_on=(timer,)),)
    )
