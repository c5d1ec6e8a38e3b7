"""Which machine this is: its Debian, and what starts daemons on it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from posthouse.errors import PosthouseError
from posthouse.site.release import HOSTS, HOSTS_BEGIN, HOSTS_END, Ground, Release

OS_RELEASE = Path("/etc/os-release")
SYSTEMD_BOOTED = Path("/run/systemd/system")
PID_1 = Path("/proc/1/comm")
SYSTEM_PYTHON = Path("/usr/bin/python3")
SUPPORTED: dict[str, Literal[12, 13]] = {"12": 12, "13": 13}


class UnsupportedMachine(PosthouseError):
    """Not a Debian that Posthouse knows."""


def os_release(path: Path = OS_RELEASE) -> dict[str, str]:
    """Return the fields of os-release(5), unquoted; empty where there is no such file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def release(path: Path = OS_RELEASE) -> Release:
    """Return which supported Debian this is.

    Raises:
        UnsupportedMachine: another system, a derivative, or another Debian.
    """
    found = os_release(path)
    name = found.get("PRETTY_NAME") or found.get("ID") or "a system without /etc/os-release"
    version = found.get("VERSION_ID", "")
    if found.get("ID") == "debian" and version in SUPPORTED:
        return Release(SUPPORTED[version])
    why = ""
    if found.get("ID") == "debian" and not version:
        why = " (testing or unstable: its daemons change from day to day)"
    elif "debian" in found.get("ID_LIKE", "").split():
        why = " (a derivative: its packages differ from Debian's)"
    raise UnsupportedMachine(
        f"expected Debian 12 or Debian 13, found {name}{why}",
        "install Posthouse on a machine with Debian 12 (bookworm) or Debian 13 (trixie)",
    )


def ground() -> Ground:
    """Return what starts daemons here: systemd where it is PID 1 (sd_booted(3)), else supervisor.

    The folder alone is not enough: /run can survive in the image of a container.
    """
    try:
        systemd = SYSTEMD_BOOTED.is_dir() and PID_1.read_text().strip() == "systemd"
    except OSError:
        systemd = SYSTEMD_BOOTED.is_dir()
    return Ground("systemd" if systemd else "supervisor", others_hosts())


def others_hosts(path: Path = HOSTS) -> str:
    """Return what stands in /etc/hosts beside our own lines; empty where it cannot be read."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    kept, ours = [], False
    for line in lines:
        if line == HOSTS_BEGIN and HOSTS_END in lines:
            ours = True
        if not ours:
            kept.append(f"{line}\n")
        if line == HOSTS_END:
            ours = False
    return "".join(kept)
