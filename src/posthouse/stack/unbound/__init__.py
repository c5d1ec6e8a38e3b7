"""Unbound: the resolver of the filter, on 127.0.0.1, recursing by itself. /etc/resolv.conf is left alone."""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint, Checker, Package, Program, Service
from posthouse.stack.daemon import Wanted, drop_in
from posthouse.stack.overrides import appended
from posthouse.stack.template import configured, render

ETC = Path("/etc/unbound")
CONFIG = ETC / "unbound.conf.d/posthouse.conf"
HELPER = "/usr/libexec/unbound-helper"
OVERRIDE = "unbound/local.conf"
VIEW = "posthouse-filters"  # what who asks from 127.0.0.1 is told (unbound.conf(5), `view`)


def blueprint(wanted: Wanted) -> Blueprint:
    """What Unbound needs."""
    text = appended(
        render("unbound/posthouse.conf.j2", **wanted.values, view=VIEW), wanted.overrides, OVERRIDE
    )
    return Blueprint(
        packages=(Package("unbound"), Package("unbound-anchor"), Package("dns-root-data")),
        files=(configured(CONFIG, text), *drop_in(wanted, "unbound")),
        checkers=(
            Checker(
                "unbound-checkconf",
                ("/usr/sbin/unbound-checkconf", "{stage}" + str(CONFIG)),
                refuse=r"(?i)(warning|error):",
            ),
        ),
        services=(
            Service(
                "unbound",
                "unbound.service",
                Program(
                    ("/usr/sbin/unbound", "-d", "-p"),
                    before=((HELPER, "chroot_setup"), (HELPER, "root_trust_anchor_update")),
                ),
                restart_on=(CONFIG,),
                ready=("tcp:127.0.0.1:53",),
            ),
        ),
        quiet_units=("unbound-resolvconf.service",),
    )
