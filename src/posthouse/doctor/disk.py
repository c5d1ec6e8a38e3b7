"""Enough room and inodes where packages, the program and the mail go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from posthouse import paths
from posthouse.doctor.check import Check, failure, ok, warning
from posthouse.host import packages

# What a first `up` writes, measured: archives and state below /var, programs below /usr, the venv in /opt.
_FIRST = {Path("/var"): 350, Path("/usr"): 350, Path("/opt"): 150, Path("/etc"): 5}
_LATER = {Path("/var"): 50, Path("/etc"): 5}
_ROOM_FOR_MAIL_MIB = 1024
_INODES = 20_000


def check() -> Iterator[Check]:
    """Check each file system that is written to; folders on the same one count together."""
    there = packages.installed(["postfix", "dovecot-core"])
    first = None in there.values() or not paths.PROGRAM.exists()
    needs: dict[int, tuple[int, list[Path]]] = {}
    for folder, mib in (_FIRST if first else _LATER).items():
        if folder.exists():
            device = folder.stat().st_dev
            sum_, folders = needs.get(device, (0, []))
            needs[device] = (sum_ + mib, [*folders, folder])
    for mib, folders in needs.values():
        yield _room(mib, folders)


def _room(needed: int, folders: list[Path]) -> Check:
    found = os.statvfs(folders[0])
    free = found.f_bavail * found.f_frsize // 2**20
    where = ", ".join(map(str, folders))
    name = f"disk ({where})"
    mend = f"make room (`df -h {folders[0]}`, `apt-get clean`, `journalctl --vacuum-size=50M`)"
    if free < needed:
        return failure(name, f"{free} MiB free, {needed} MiB needed", mend, fatal=True)
    if found.f_files and found.f_favail < _INODES:
        mend = f"remove small files (`df -i {folders[0]}`); each message takes one inode"
        return failure(name, f"only {found.f_favail} inodes free", mend, fatal=found.f_favail < _INODES // 4)
    if Path("/var") in folders and free - needed < _ROOM_FOR_MAIL_MIB:
        left = free - needed
        return warning(name, f"{free} MiB free, of which about {left} MiB are left for mail", mend)
    return ok(name, f"{free} MiB free")
