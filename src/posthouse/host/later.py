"""Have a program run on without us: after the session ends, and where there is systemd after a reboot too."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from posthouse.host import files
from posthouse.host.run import environment, run
from posthouse.site.release import Ground

_UNITS = Path("/etc/systemd/system")


def start(ground: Ground, name: str, argv: Sequence[str]) -> None:
    """Start a program that outlives this one; what ran under that name before is replaced.

    Under systemd it is a unit of that name, started at boot as well until `forget`. Elsewhere it is a process
    of its own session. PosthouseError, OSError where it cannot be started.
    """
    if ground.manager == "systemd":
        text = (
            "[Unit]\nDescription=Posthouse: an apply that waits to be confirmed\n\n"
            f"[Service]\nType=exec\nExecStart={shlex.join(argv)}\nRestart=on-failure\nRestartSec=5\n\n"
            "[Install]\nWantedBy=multi-user.target\n"
        )
        files.write_atomic(_UNITS / f"{name}.service", text.encode())
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "--quiet", "enable", name])
        run(["systemctl", "restart", "--no-block", name])
        return
    subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=environment(),
    )


def forget(ground: Ground, name: str) -> None:
    """Let it not start at boot any longer. A program that runs ends by itself when it sees that."""
    unit = _UNITS / f"{name}.service"
    if ground.manager == "systemd" and unit.exists():
        run(["systemctl", "--quiet", "disable", name], check=False)
        files.remove(unit)
        run(["systemctl", "daemon-reload"], check=False)
