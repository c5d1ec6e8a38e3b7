"""The gate's place on the machine: its unit and its user. The program itself is `posthouse.gate`.

Two milters around OpenDKIM and OpenDMARC: what outsiders forge is taken away before, and SpamAssassin asked after.
If it is down, Postfix answers "try again later".
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Group, Program, Service, User
from posthouse.stack.daemon import Limits, Wanted
from posthouse.stack.template import render

UNIT = Path("/etc/systemd/system/posthouse-gate.service")

LIMITS = Limits(268_435_456, 268_435_456)  # it hands messages on while they come, and keeps none


def blueprint(wanted: Wanted) -> Blueprint:
    """What the gate needs."""
    site = wanted.site
    argv = (
        str(paths.PROGRAM / "bin/posthouse-gate"),
        *("--hostname", site.hostname),
        *("--policy", site.dmarc.policy),
        *("--scan", str(site.spam.scan_size)),
        *("--refuse", "never" if site.spam.reject_score is None else str(site.spam.reject_score)),
    )
    text = render(
        "gate/posthouse-gate.service.j2",
        argv=argv,
        user=paths.GATE_USER,
        sockets=paths.GATE_ENTRANCE.parent,
        limits=LIMITS,
    )
    origins = (("ExecStart", "site: hostname, dmarc.policy, spam.scan_size, spam.reject_score"),)
    return Blueprint(
        groups=(Group(paths.GATE_USER), Group(paths.LEARNING_USER)),
        users=(User(paths.GATE_USER, paths.GATE_USER, groups=(paths.DKIM_GROUP, paths.LEARNING_USER)),),
        directories=(Directory(paths.GATE_ENTRANCE.parent, paths.GATE_USER, "postfix", 0o2750),),
        files=() if wanted.supervised else (File(UNIT, text, origins=origins),),
        services=(
            Service(
                "posthouse-gate",
                "posthouse-gate.service",
                Program((*LIMITS.limited, *argv), user=paths.GATE_USER, before=((argv[0], "ready"),)),
                restart_on=(UNIT,),
                ready=tuple(
                    f"unix:{path}" for path in (paths.GATE_ENTRANCE, paths.GATE_VERDICT, paths.GATE_OUTGOING)
                ),
            ),
        ),
    )
