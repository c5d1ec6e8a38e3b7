"""The certificate's renewal: certbot is told to tell the daemons (certbot's renewal-hooks/deploy folder).

Takes the site's `tls.folder`. Only a folder of certbot's own tree gets the hook; whoever renews another one
says `postfix reload` and `doveadm reload` afterwards.
"""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint, File
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import HEADER

LIVE = Path("/etc/letsencrypt/live")
HOOK = Path("/etc/letsencrypt/renewal-hooks/deploy/posthouse")

_TEXT = """\
#!/bin/sh
# {header}
# certbot runs this after a renewal: Postfix and Dovecot read the new certificate, and nobody is cut off.
[ "$RENEWED_LINEAGE" = "{folder}" ] || exit 0
/usr/sbin/postfix reload
/usr/bin/doveadm reload
"""


def blueprint(wanted: Wanted) -> Blueprint:
    """Return the hook, where the certificate is certbot's."""
    folder = wanted.site.tls.folder
    if folder is None or Path(folder).parent != LIVE:
        return Blueprint()
    text = _TEXT.format(header=HEADER, folder=folder)
    return Blueprint(files=(File(HOOK, text, mode=0o755, origins=(("hook", "site: tls.folder"),)),))
