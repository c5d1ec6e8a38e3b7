"""postfix-mta-sts-resolver: knows the MTA-STS policies of other domains (1.1 in Debian 12, 1.5 in 13), where asked for.

Postfix asks the agent, which asks it where DANE does not speak for a domain (posthouse.agent.tls_policy). What it
fetched it keeps on the disk, so that nobody can have a policy forgotten (RFC 8461 section 10.2).
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Package, Program, Service
from posthouse.stack.daemon import Wanted, drop_in
from posthouse.stack.template import configured, render

UNIT = "postfix-mta-sts-resolver"
CONFIG = Path("/etc/mta-sts-daemon.yml")
PROGRAM = ("/usr/bin/mta-sts-daemon", "--config", str(CONFIG))


def blueprint(wanted: Wanted) -> Blueprint:
    """What it needs; nothing where nobody asks for it."""
    if not wanted.site.outgoing.mta_sts:
        return Blueprint()
    host, port = paths.MTA_STS
    return Blueprint(
        packages=(Package(UNIT),),
        files=(
            configured(CONFIG, render("mta_sts/mta-sts-daemon.yml.j2", host=host, port=port)),
            *drop_in(wanted, UNIT),
        ),
        services=(
            Service(
                "mta-sts",
                f"{UNIT}.service",
                # Debian 12's looks for a .netrc in its home, and ends where that is root's.
                Program(PROGRAM, user="_mta-sts", env=(("HOME", "/var/lib/mta-sts"),)),
                restart_on=(CONFIG,),
                ready=(f"tcp:{host}:{port}",),
            ),
        ),
    )
