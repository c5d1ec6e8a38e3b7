"""The certificate's renewal: a timer that has it looked at twice a day, and a hook for the operator's own certbot.

Takes the site's `[tls]`. With `mode = "acme"` certbot is installed, as a tool: its own timer has nothing to renew.
With the operator's files, what was renewed there is judged and taken over by the same command. A self-signed one is
made anew by an apply, years later.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Package
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import HEADER
from posthouse.stack.timer import job

NAME = "posthouse-certificate"
LIVE = Path("/etc/letsencrypt/live")
HOOK = Path("/etc/letsencrypt/renewal-hooks/deploy/posthouse")
HALF_A_DAY = 43200  # seconds

_TEXT = """\
#!/bin/sh
# {header}
# certbot runs this after a renewal: Postfix and Dovecot read the new certificate, and nobody is cut off.
[ "$RENEWED_LINEAGE" = "{folder}" ] || exit 0
exec {command} cert renew
"""


def blueprint(wanted: Wanted) -> Blueprint:
    """Return timer and hook, where somebody else issues the certificate."""
    kind = wanted.site.tls.kind
    if kind == "self-signed":
        return Blueprint()
    files, service = job(wanted, NAME, "certificate", f"{paths.COMMAND} cert renew", HALF_A_DAY)
    acme = kind == "acme"
    return Blueprint(
        packages=(Package("certbot"),) if acme else (),
        directories=(Directory(paths.ACME, mode=0o700),) if acme else (),
        files=(*files, *_hook(wanted)),
        services=(service,),
    )


def _hook(wanted: Wanted) -> tuple[File, ...]:
    """Only a folder of certbot's own tree gets one."""
    folder = wanted.site.tls.folder
    if folder is None or Path(folder).parent != LIVE:
        return ()
    text = _TEXT.format(header=HEADER, folder=folder, command=paths.COMMAND)
    return (File(HOOK, text, mode=0o755, origins=(("hook", "site: tls.folder"),)),)
