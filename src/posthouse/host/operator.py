"""Where the operator sits: the address that his SSH session comes from, where that can be seen."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

_MOST = 32  # processes up to the first one


def ssh_client(proc: Path = Path("/proc"), pid: int | None = None) -> str | None:
    """Return the address of the SSH client that this process was started from; None where there is none.

    sudo(8) takes SSH_CONNECTION (sshd(8)) out of the environment, so the processes before this one are asked too.
    """
    pid = os.getpid() if pid is None else pid
    for _ in range(_MOST):
        if pid <= 1:
            return None
        try:
            entries = (proc / str(pid) / "environ").read_bytes().split(b"\0")
            for entry in entries:
                if entry.startswith(b"SSH_CONNECTION="):
                    return _address(entry.partition(b"=")[2].split(b" ")[0].decode())
            pid = int((proc / str(pid) / "stat").read_text().rpartition(") ")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return None
    return None


def _address(text: str) -> str | None:
    found = ip_address(text.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return None if found.is_loopback or found.is_link_local else str(mapped or found)
