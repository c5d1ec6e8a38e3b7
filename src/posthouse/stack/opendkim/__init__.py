"""OpenDKIM: signs mail of ours, verifies signatures of others (2.11 beta 2 in both Debians). Part of the classic chain.

Its tables are Lua scripts that read the agent's table of keys for every message: a new key signs the next message
without a restart. If it is down, Postfix answers "try again later".
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Package, Program, Service, User
from posthouse.stack.daemon import Limits, Wanted, drop_in
from posthouse.stack.overrides import appended
from posthouse.stack.template import configured, render

CONFIG = Path("/etc/opendkim.conf")
TABLES = Path("/etc/opendkim")
TEXTS = ("signing.table.lua", "key.table.lua", "setup.lua", "final.lua", "trusted.hosts", "unbound.conf")
PROGRAM = "/usr/sbin/opendkim"
RUN = Path("/run/opendkim")
OVERRIDE = "opendkim/opendkim.conf"
# a thread and its stack for each of 100 processes of Postfix; it keeps nothing of a message but its header
LIMITS = Limits(1_610_612_736, 268_435_456)


def blueprint(wanted: Wanted) -> Blueprint:
    """What OpenDKIM needs."""
    values = {**wanted.values, "milter": paths.OPENDKIM_MILTER, "tables": TABLES, "dkim": paths.DKIM}
    text = appended(render("opendkim/opendkim.conf.j2", **values), wanted.overrides, OVERRIDE)
    files = [File(TABLES / name, render(f"opendkim/{name}.j2", **values)) for name in TEXTS]
    run = ("/usr/bin/install", "-d", "-o", "opendkim", "-g", "opendkim", "-m", "750", str(RUN))
    return Blueprint(
        packages=(Package("opendkim"),),
        users=(User("opendkim", group="opendkim", groups=(paths.DKIM_GROUP,), create=False),),
        directories=(
            Directory(TABLES),
            Directory(paths.OPENDKIM_MILTER.parent, "opendkim", "postfix", 0o2750),
        ),
        files=(
            configured(CONFIG, text),
            *files,
            *drop_in(wanted, "opendkim", render("opendkim/unit.conf.j2", program=PROGRAM, limits=LIMITS)),
        ),
        services=(
            Service(
                "opendkim",
                "opendkim.service",
                Program(
                    (*LIMITS.limited, PROGRAM, "-f", "-x", str(CONFIG)),
                    before=(run, ("/bin/rm", "-f", str(paths.OPENDKIM_MILTER))),
                ),
                restart_on=(CONFIG, TABLES),
                ready=(f"unix:{paths.OPENDKIM_MILTER}",),
            ),
        ),
    )
