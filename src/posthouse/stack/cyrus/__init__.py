"""Cyrus SASL for submission (2.1.28): smtpd asks saslauthd, that asks PAM, and PAM a program that asks Dovecot.

Takes the site's `auth.sasl`. Debian ships no PAM module for a database, and Cyrus SASL's own for SQL wants passwords in
clear. So it is Dovecot that judges here too, as service `smtp`: one place knows hashes, app passwords and frozen
accounts. saslauthd runs as Postfix's user, whom Dovecot's socket for Postfix is open to. If one of them is down, a
login waits for it a while, and is refused then.

Source: saslauthd(8), pam_exec(8), https://www.postfix.org/SASL_README.html
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Directory, File, Package, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import configured, render

ETC = Path("/etc/postfix/sasl")
SMTPD = ETC / "smtpd.conf"
LOGIN = ETC / "posthouse-login"
PAM = Path("/etc/pam.d/smtp")  # by the name under which smtpd knows its service
UNIT = Path("/etc/systemd/system/posthouse-saslauthd.service")
SOCKET = paths.SASLAUTHD / "mux"
USER = "postfix"
# A process for each login: with a fixed number of them, a few wrong passwords would keep everybody waiting. Postfix has
# a hundred smtpd at most. The realm belongs to the login; nothing is cached, so that a change is live at once.
OPTIONS = ("-a", "pam", "-r", "-n", "0", "-m", str(paths.SASLAUTHD))


def blueprint(wanted: Wanted) -> Blueprint:
    """What Cyrus SASL needs; nothing unless the site chose it."""
    if wanted.site.auth.sasl != "cyrus":
        return Blueprint()
    # Postfix's processes have its spool as their folder, in a chroot or not.
    socket = SOCKET.relative_to(paths.POSTFIX_SPOOL)
    unit = render("cyrus/posthouse-saslauthd.service.j2", options=OPTIONS, user=USER, folder=paths.SASLAUTHD)
    login = render("cyrus/posthouse-login.j2", socket=paths.POSTFIX_SPOOL / "private/auth")
    return Blueprint(
        packages=(Package("sasl2-bin"), Package("libsasl2-modules")),
        directories=(Directory(ETC), Directory(paths.SASLAUTHD, USER, USER, 0o700)),
        files=(
            configured(SMTPD, render("cyrus/smtpd.conf.j2", socket=socket)),
            File(PAM, render("cyrus/pam.j2", login=LOGIN)),
            File(LOGIN, login, mode=0o755),
            *(() if wanted.supervised else (File(UNIT, unit, origins=(("*", "site: auth.sasl"),)),)),
        ),
        services=(
            Service(
                "saslauthd",
                UNIT.name,
                # -d: in the foreground, and it says more
                Program(("/usr/sbin/saslauthd", "-d", *OPTIONS), user=USER, stop_group=True),
                restart_on=(UNIT,),
                ready=(f"unix:{SOCKET}",),
                outlasts=True,
            ),
        ),
        quiet_units=("saslauthd.service",),
    )
