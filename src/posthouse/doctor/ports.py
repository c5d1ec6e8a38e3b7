"""The ports of the mail service are free, or already its own."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from posthouse.doctor import sockets
from posthouse.doctor.check import Check, failure, ok
from posthouse.doctor.ownership import ours

MAIL_PORTS = {
    25: "mail from other servers",
    465: "submission with TLS",
    587: "submission",
    143: "IMAP",
    993: "IMAP with TLS",
    110: "POP3",
    995: "POP3 with TLS",
    4190: "ManageSieve",
}
RESOLVER_PORT = 53
# Where one of these listens on a machine that Posthouse set up, it is Posthouse's own.
_OUR_PROGRAMS = ("/usr/lib/postfix/", "/usr/sbin/dovecot", "/usr/lib/dovecot/", "/usr/sbin/unbound")
_ANY = (ip_address("0.0.0.0"), ip_address("::"))  # noqa: S104 - compared with, not bound


def check() -> Iterator[Check]:
    """Check every port; name the process that holds a taken one."""
    taken = [
        listener
        for listener in sockets.listeners()
        if (listener.protocol == "tcp" and listener.port in MAIL_PORTS) or _clashes_with_resolver(listener)
    ]
    held = sockets.holders({listener.inode for listener in taken})
    mine = ours()
    free = True
    for port in sorted({listener.port for listener in taken}):
        pids = sorted({held.get(one.inode, 0) for one in taken if one.port == port})
        names = {pid: sockets.name_of(pid) for pid in pids}
        if mine and all(sockets.program_of(pid).startswith(_OUR_PROGRAMS) for pid in pids):
            continue
        free = False
        yield _taken(port, names)
    if free:
        yield ok("ports", f"{', '.join(map(str, (*MAIL_PORTS, RESOLVER_PORT)))} are free or Posthouse's own")


def _clashes_with_resolver(listener: sockets.Listener) -> bool:
    """Tell whether unbound could not listen on 127.0.0.1:53; systemd-resolved on 127.0.0.53 is no clash."""
    return listener.port == RESOLVER_PORT and listener.address in (*_ANY, ip_address("127.0.0.1"))


def _taken(port: int, names: dict[int, str]) -> Check:
    who = " and ".join(f"{name} (process {pid})" for pid, name in names.items() if name) or "another program"
    what = MAIL_PORTS.get(port, "the resolver on 127.0.0.1 that the filter asks")
    pid = next((pid for pid, name in names.items() if name), 0)
    if pid and Path("/run/systemd/system").exists():  # sd_booted(3)
        find = f"`systemctl status {pid}` tells which service it is"
    elif pid:
        find = f"`readlink /proc/{pid}/exe` tells what it is"
    else:
        find = f"`ss -ltnup 'sport = :{port}'`"
    mend = f"stop what uses it, and keep it from starting again; {find}"
    return failure(f"port {port}", f"taken by {who}; it is needed for {what}", mend, fatal=True)
