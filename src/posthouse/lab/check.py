"""Whether machines can run here."""

import os
import shutil
from pathlib import Path

from posthouse.lab import cgroup
from posthouse.lab.errors import LabError, call
from posthouse.lab.paths import HOST_PACKAGES

_PROGRAMS = ("ip", "mke2fs", "mmdebstrap", "nft", "nsd", "nsenter", "systemd-nspawn", "unbound", "unshare")


def available() -> str | None:
    """None where machines can run, otherwise the reason, in plain words."""
    if os.geteuid() != 0:
        return "lab machines need root"
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"{', '.join(missing)} not found: apt-get install {' '.join(HOST_PACKAGES)}"
    try:
        cgroup.check()
        call(["unshare", "--mount", "--net", "true"])
    except LabError as error:
        return str(error)
    if "overlay" not in Path("/proc/filesystems").read_text() and shutil.which("modprobe"):
        try:
            call(["modprobe", "overlay"])
        except LabError:
            return "this kernel has no overlayfs"
    return None
