"""fail2ban beside the watch, where the site asks for it: it takes up the watch's bans, and bars from every port.

It does not read the mail log itself: it could not tell a telephone with an old password from somebody who guesses, and
would ban against what the watch says. So there is one judge; the watch also takes out of the jail whom it lifts
(`posthouse.watch.fail2ban`). Debian's package bans SSH clients on its own from its first start: where it came for us,
that is off. Where the packet filter may not be changed nothing is set up. Source: jail.conf(5), fail2ban-client(1).
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, File, Package, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

ETC = Path("/etc/fail2ban")
FILTER = ETC / "filter.d/posthouse.conf"
JAIL = ETC / "jail.d/posthouse.conf"
SERVER = Path("/usr/bin/fail2ban-server")
_CLIENT = "/usr/bin/fail2ban-client"
# Where it runs already; one that is started reads its files anyway.
RELOAD = ("/bin/sh", "-c", f"{_CLIENT} ping >/dev/null 2>&1 || exit 0; exec {_CLIENT} reload")


def is_wanted(wanted: Wanted) -> bool:
    """Tell whether the site asks for it, and it could do something here."""
    bans = wanted.site.bans
    return bans.enabled and bans.fail2ban and wanted.ground.packet_filter


def blueprint(wanted: Wanted) -> Blueprint:
    """What fail2ban needs."""
    if not is_wanted(wanted):
        return Blueprint()
    bans = wanted.site.bans
    own = [address for address in (wanted.site.network.ipv4, wanted.site.network.ipv6) if address]
    values = {
        **wanted.values,
        "never": ["127.0.0.0/8", "::1", *own, *bans.never],
        "log": paths.LOG / "posthouse-watch.log",
        "sshd": wanted.ground.fail2ban,
    }
    journal = () if wanted.supervised else (Package("python3-systemd"),)
    return Blueprint(
        packages=(Package("fail2ban"), *journal),
        files=(
            File(FILTER, render("fail2ban/filter.conf.j2", **values), live=RELOAD),
            File(
                JAIL,
                render("fail2ban/jail.conf.j2", **values),
                origins=(("*", "site: bans"),),
                live=RELOAD,
            ),
        ),
        services=(
            Service(
                "fail2ban",
                "fail2ban.service",
                Program(
                    (str(SERVER), "-xf", "--logtarget=stdout", "start"),
                    before=(("/usr/bin/install", "-d", "-m", "755", str(paths.FAIL2BAN.parent)),),
                ),
                ready=(f"unix:{paths.FAIL2BAN}",),
            ),
        ),
    )
