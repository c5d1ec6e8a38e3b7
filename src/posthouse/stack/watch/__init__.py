"""The watch's place on the machine: its unit, its folder and nftables. The program itself is `posthouse.watch`.

It starts before the daemons that it watches over, so that what was banned before a reboot finds no open port. Where the
packet filter may not be changed it runs all the same, and says so: nothing else depends on it.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Package, Program, Service
from posthouse.stack import fail2ban
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

UNIT = Path("/etc/systemd/system/posthouse-watch.service")
# capabilities(7): all that it keeps of root's
_CAPABILITIES = ("net_admin", "dac_read_search")


def blueprint(wanted: Wanted) -> Blueprint:
    """What the watch needs; nothing where the site wants no bans."""
    bans = wanted.site.bans
    if not bans.enabled:
        return Blueprint()
    own = [address for address in (wanted.site.network.ipv4, wanted.site.network.ipv6) if address]
    argv = (
        str(paths.PROGRAM / "bin/posthouse-watch"),
        *("--manager", wanted.ground.manager),
        *("--failures", str(bans.failures)),
        *("--first", str(bans.first)),
        *("--longest", str(bans.longest)),
        *("--never", ",".join([*own, *bans.never]) or "none"),
        *(("--fail2ban", "yes") if fail2ban.is_wanted(wanted) else ()),
    )
    capabilities = " ".join(f"CAP_{name.upper()}" for name in _CAPABILITIES)
    text = render("watch/posthouse-watch.service.j2", argv=argv, state=paths.WATCH, capabilities=capabilities)
    bounds = ",".join(["-all", *(f"+{name}" for name in _CAPABILITIES)])
    return Blueprint(
        packages=(Package("nftables"),),
        directories=(Directory(paths.WATCH, mode=0o700),),
        files=()
        if wanted.supervised
        else (File(UNIT, text, origins=(("ExecStart", "site: bans, network"),)),),
        services=(
            Service(
                "posthouse-watch",
                "posthouse-watch.service",
                Program(
                    ("/usr/bin/setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", *argv),
                    before=((argv[0], "ready"),),
                ),
                restart_on=(UNIT,),
            ),
        ),
    )
