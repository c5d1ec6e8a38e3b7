"""OpenDMARC: does what the author's domain asks for (1.4.2 in both Debians). Part of the classic chain.

It reads what the gate and OpenDKIM wrote into Authentication-Results. Where the owner asks for refusal, it refuses;
quarantine is told in the header, and the gate files it. If it is down, Postfix answers "try again later".
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Package, Program, Service
from posthouse.stack.daemon import Limits, Wanted, drop_in
from posthouse.stack.overrides import appended
from posthouse.stack.template import configured, render

CONFIG = Path("/etc/opendmarc.conf")
IGNORED = Path("/etc/opendmarc/ignore.hosts")
RESOLVER = IGNORED.with_name("resolv.conf")
OPTIONS = "timeout:1 attempts:1"  # resolv.conf(5): a second for a question that nobody answers
PROGRAM = "/usr/sbin/opendmarc"
OVERRIDE = "opendmarc/opendmarc.conf"
# a thread and its stack for each of 100 processes of Postfix; it keeps nothing of a message but its header
LIMITS = Limits(1_610_612_736, 268_435_456)


def blueprint(wanted: Wanted) -> Blueprint:
    """What OpenDMARC needs."""
    values = {**wanted.values, "milter": paths.OPENDMARC_MILTER, "ignored": IGNORED}
    text = appended(render("opendmarc/opendmarc.conf.j2", **values), wanted.overrides, OVERRIDE)
    run = ("/usr/bin/install", "-d", "-o", "opendmarc", "-g", "opendmarc", "-m", "750", "/run/opendmarc")
    return Blueprint(
        packages=(Package("opendmarc"), Package("publicsuffix")),
        directories=(
            Directory(IGNORED.parent),
            Directory(paths.OPENDMARC_MILTER.parent, "opendmarc", "postfix", 0o2750),
        ),
        files=(
            configured(CONFIG, text),
            File(IGNORED, render("opendmarc/ignore.hosts.j2")),
            File(RESOLVER, render("opendmarc/resolv.conf.j2")),
            *drop_in(
                wanted,
                "opendmarc",
                render(
                    "opendmarc/unit.conf.j2",
                    program=PROGRAM,
                    resolver=RESOLVER,
                    options=OPTIONS,
                    limits=LIMITS,
                ),
            ),
        ),
        services=(
            Service(
                "opendmarc",
                "opendmarc.service",
                Program(
                    (*LIMITS.limited, PROGRAM, "-f", "-c", str(CONFIG)),
                    user="opendmarc",
                    env=(("RES_OPTIONS", OPTIONS),),
                    before=(run, ("/bin/rm", "-f", str(paths.OPENDMARC_MILTER))),
                ),
                restart_on=(CONFIG, IGNORED),
                ready=(f"unix:{paths.OPENDMARC_MILTER}",),
            ),
        ),
    )
