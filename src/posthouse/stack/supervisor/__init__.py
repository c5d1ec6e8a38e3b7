"""supervisord's configuration: how the daemons run where PID 1 is not systemd.

Takes the services in the order in which they start; gives /etc/posthouse/supervisord.conf. Nothing is
started by supervisord itself (`autostart = false`): the engine starts each service and waits until it is
ready before the next. What dies is started again. Each program is one `sh` line that notes its process
id for `host.services.children`, runs its preparations as root, changes the user and becomes the daemon.

Source: http://supervisord.org/configuration.html (4.2 and later).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from posthouse import paths
from posthouse.resources import File, Program, Service

CONFIG = paths.ETC / "supervisord.conf"
CHILDREN = paths.RUN / "children"
LOG_BYTES = 20_000_000
LOG_FILES = 5
LAST = 99  # the priority of what starts last

_HEAD = f"""\
; Made by posthouse. The programs below are the daemons of the mail service.

[unix_http_server]
file = {paths.RUN}/supervisor.sock
chmod = 0700

[supervisord]
user = root
pidfile = {paths.RUN}/supervisord.pid
logfile = {paths.LOG}/supervisord.log
logfile_maxbytes = {LOG_BYTES}
logfile_backups = {LOG_FILES}
childlogdir = {paths.LOG}
umask = 022

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{paths.RUN}/supervisor.sock
"""
# Its start time is field 22 of /proc/PID/stat; the name in field 2 may hold spaces and brackets.
_STARTED = "sed 's/.*) //' /proc/{pid}/stat | cut -d' ' -f20"


def render(services: Sequence[Service]) -> File:
    """Return supervisord's configuration file for these services."""
    # Counted from the end: the database, which comes first where it is wanted, must not change anybody's section.
    first = LAST - len(services) + 1
    sections = [_section(order, service) for order, service in enumerate(services, start=first)]
    return File(CONFIG, "\n".join([_HEAD, *sections]), origins=(("*", "the services of the stack"),))


def _section(order: int, service: Service) -> str:
    program = service.program
    settings = {
        "command": _value(shlex.join(["/bin/sh", "-c", _script(service.name, program)])),
        "priority": str(order),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "1000000",  # it waits a second longer each time, and never gives up
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        **({"stopasgroup": "true"} if program.stop_group else {}),
        "killasgroup": "true",
        "stdout_logfile": f"{paths.LOG}/{service.name}.log",
        "stdout_logfile_maxbytes": str(LOG_BYTES),
        "stdout_logfile_backups": str(LOG_FILES),
        "redirect_stderr": "true",
    }
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f"[program:{service.name}]\n{lines}"


def _script(name: str, program: Program) -> str:
    """Return the shell line that becomes the daemon; `exec` keeps the process id that was noted."""
    mark = shlex.quote(str(CHILDREN / name))
    own, init = _STARTED.format(pid="$$"), _STARTED.format(pid=1)
    steps = [
        f"mkdir -p {CHILDREN}",
        f'echo "$$ $({own}) $({init})" > {mark}',
        *(shlex.join(command) for command in program.before),
    ]
    words = [f"{key}={value}" for key, value in program.env] + list(program.argv)
    start = shlex.join(["env", *words] if program.env else words)
    if program.user != "root":
        user = shlex.quote(program.user)
        start = f'setpriv --reuid={user} --regid="$(id -g {user})" --init-groups -- {start}'
    return " && ".join([*steps, f"exec {start}"])


def _value(text: str) -> str:
    """Escape `%`, which supervisor expands; what begins a comment there cannot be escaped at all.

    Raises:
        ValueError: a blank before `;` or `#`, or more than one line.
    """
    if re.search(r"\s[;#]|\n", text):
        raise ValueError(f"supervisor would cut this command short: {text!r}")
    return text.replace("%", "%%")
