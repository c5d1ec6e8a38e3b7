"""Where mail programs and senders look by HTTPS: the server's place on the machine. The program is `posthouse.web`.

systemd holds port 443, and starts the server with the first client; with nobody there it ends, and takes no memory. It
is given the certificate and the list of domains when it starts (LoadCredential=, systemd.exec(5)), and sees nothing
else of the machine. Under supervisor it stays. Mail does not depend on it.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, File, Group, Program, Service, User
from posthouse.stack.daemon import Limits, Wanted
from posthouse.stack.template import render

NAME = "posthouse-web"
PORT = 443
SOCKET = Path(f"/etc/systemd/system/{NAME}.socket")
UNIT = Path(f"/etc/systemd/system/{NAME}.service")
LIMITS = Limits(100_663_296, 100_663_296)
_IDLE = 60  # seconds
# what it is given, by the name under which it reads it
GIVEN = {
    "fullchain.pem": paths.TLS / "fullchain.pem",
    "privkey.pem": paths.TLS / "privkey.pem",
    "domains": paths.DKIM / "selectors.map",
}
_COPIES = paths.RUN / "web"


def blueprint(wanted: Wanted) -> Blueprint:
    """What the server needs; nothing where the site wants none."""
    site = wanted.site
    if not site.web_enabled:
        return Blueprint()
    argv = (
        str(paths.PROGRAM / f"bin/{NAME}"),
        *("--hostname", site.hostname),
        *("--policy", site.web.mta_sts),
        *("--mx", ",".join(site.mail_exchangers)),
        *("--seconds", str(site.web.mta_sts_seconds)),
        *("--idle", "never" if wanted.supervised else str(_IDLE)),
    )
    texts = {
        path: render(
            f"web/{path.name}.j2", argv=argv, port=PORT, given=GIVEN, user=paths.WEB_USER, limits=LIMITS
        )
        for path in (SOCKET, UNIT)
    }
    origins = (("ExecStart", "site: hostname, web"),)
    return Blueprint(
        groups=(Group(paths.WEB_USER),),
        users=(User(paths.WEB_USER, paths.WEB_USER),),
        files=()
        if wanted.supervised
        else tuple(File(path, text, origins=origins if path == UNIT else ()) for path, text in texts.items()),
        services=(
            Service(
                NAME,
                SOCKET.name,
                _program(argv),
                reload=None if wanted.supervised else ("/usr/bin/systemctl", "try-restart", UNIT.name),
                reload_on=(paths.TLS,),
                restart_on=(SOCKET, UNIT),
                ready=(f"tcp:127.0.0.1:{PORT}",) if wanted.supervised else (),
            ),
        ),
    )


def _program(argv: tuple[str, ...]) -> Program:
    """Under supervisor: copies of what it is given, and of root's power nothing but the low port."""
    user, only = paths.WEB_USER, "-all,+net_bind_service"
    copy = f"install -m 0400 -o {user} -g {user}"
    return Program(
        (
            *("/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"),
            *(f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}"),
            *(*LIMITS.limited, *argv),
        ),
        env=(("CREDENTIALS_DIRECTORY", str(_COPIES)),),
        before=(
            (argv[0], "ready"),
            ("install", "-d", "-m", "0700", "-o", user, "-g", user, str(_COPIES)),
            # No domain is there yet: there is no map.
            *(
                ("/bin/sh", "-c", f"test ! -e {path} || {copy} {path} {_COPIES / name}")
                for name, path in GIVEN.items()
            ),
        ),
    )
