"""The agent's place on the machine: its unit, its user, the folders that it and the commands keep.

The program itself is `posthouse.agent`. Debian's daemons start after it and stop before it: it holds the
directory open while anybody reads it.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Group, Program, Service, User
from posthouse.stack import filters, postgresql
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

UNIT = Path("/etc/systemd/system/posthouse-agent.service")


def _directories() -> tuple[Directory, ...]:
    user = paths.AGENT_USER
    return (
        Directory(paths.STATE),
        Directory(paths.DIRECTORY, user, paths.DIRECTORY_GROUP, 0o2750),
        Directory(paths.DKIM, user, paths.DKIM_GROUP, 0o2750),
        Directory(paths.SRS, user, user, 0o700),
        Directory(paths.SENDING, user, user, 0o700),
        Directory(paths.LOGINS, user, "dovecot", 0o2750),
        Directory(paths.TLS, mode=0o700),
        Directory(paths.AGENT_MILTER.parent, user, "postfix", 0o2750),
    )


ADDRESS_SPACE = 2_147_483_648  # bytes that it may map; it holds a twentieth of that


def blueprint(wanted: Wanted) -> Blueprint:
    """What the agent needs."""
    argv = (
        str(paths.PROGRAM / "bin/posthouse-agent"),
        *("--hostname", wanted.site.hostname),
        *("--domain", wanted.site.domain),
        *("--postmaster", wanted.site.postmaster),
        *("--report-to", wanted.site.dmarc.report_to),
        *("--sending", ",".join(map(str, wanted.site.sending.numbers))),
        *("--spam", f"{wanted.site.held_score:g}"),
        *("--mechanisms", ",".join(wanted.site.auth.mechanisms) or "none"),
    )
    seals = paths.AGENT_SEALING in filters.chosen(wanted.site).sealers
    text = render(
        "agent/posthouse-agent.service.j2",
        argv=argv,
        user=paths.AGENT_USER,
        directory=paths.DIRECTORY,
        dkim=paths.DKIM,
        srs=paths.SRS,
        sending=paths.SENDING,
        logins=paths.LOGINS,
        milter=paths.AGENT_MILTER,
        cluster=wanted.server and wanted.server.is_local and postgresql.cluster(wanted.release.debian).unit,
        filters=filters.UNITS,
        # it asks a database elsewhere, our unbound for the keys of seals, or that and the resolver of MTA-STS policies
        remote=(wanted.server and not wanted.server.is_local) or seals or wanted.site.outgoing.mta_sts,
    )
    said = "site: hostname, domain, postmaster, dmarc.report_to, sending, spam.junk_score, auth.mechanisms"
    origins = (("ExecStart", said),)
    return Blueprint(
        groups=(Group(paths.AGENT_USER), Group(paths.DIRECTORY_GROUP), Group(paths.DKIM_GROUP)),
        users=(User(paths.AGENT_USER, paths.AGENT_USER, groups=(paths.DIRECTORY_GROUP, "postdrop")),),
        directories=_directories(),
        files=() if wanted.supervised else (File(UNIT, text, origins=origins),),
        services=(
            Service(
                "posthouse-agent",
                "posthouse-agent.service",
                Program(
                    ("/usr/bin/prlimit", f"--as={ADDRESS_SPACE}", *argv),
                    user=paths.AGENT_USER,
                    before=((argv[0], "ready"),),
                ),
                restart_on=(UNIT,),
                ready=tuple(
                    f"unix:{path}"
                    for path in (
                        paths.AGENT_MILTER,
                        paths.AGENT_OUTGOING,
                        paths.AGENT_FORWARDING,
                        paths.AGENT_SRS,
                        paths.AGENT_SEALING,
                    )
                ),
            ),
        ),
    )
