"""Base trees: a bare Debian as its installer's minimal choice leaves it, without Python.

Made once by mmdebstrap and kept read-only in `CACHE/base/SUITE-KEY`; the key is a hash of everything that
goes in, so that a changed recipe makes a new tree while machines on the old one live on. A tree older
than a week is made anew too, since Debian's packages move.
"""

import hashlib
import shutil
import tempfile
import time
from pathlib import Path

from posthouse.lab import anchor, ground
from posthouse.lab.errors import LabError, call
from posthouse.lab.lock import locked
from posthouse.lab.paths import CACHE, SUITES

PACKAGES = ("systemd", "systemd-sysv", "dbus", "iproute2", "ca-certificates")
BASES = CACHE / "base"
MAX_AGE = 7 * 86400
_RECIPE_VERSION = "1"


def _files(suite: str) -> dict[str, bytes]:
    """What a machine takes over from the host's settings, by path inside the tree."""
    land = ground.survey()
    files = {
        "etc/apt/sources.list": land.sources_list(suite).encode(),
        "etc/apt/apt.conf.d/00host": land.apt_conf.encode(),
        "etc/pip.conf": land.pip_conf().encode(),
        **anchor.files(),
    }
    for number, path in enumerate(land.certificates):
        files[f"usr/local/share/ca-certificates/host-{number}.crt"] = path.read_bytes()
    return files


def _key(suite: str, files: dict[str, bytes]) -> str:
    digest = hashlib.sha256(repr((_RECIPE_VERSION, PACKAGES, suite, sorted(files.items()))).encode())
    return digest.hexdigest()[:12]


def tree(suite: str) -> Path:
    """The base tree of a suite, made now if there is no fresh one (20 to 45 s).

    Raises:
        LabError: an unknown suite, or mmdebstrap failed.
    """
    if suite not in SUITES:
        raise LabError(f"unknown suite {suite!r}", f"use one of {', '.join(SUITES)}")
    files = _files(suite)
    prefix = f"{suite}-{_key(suite, files)}-"
    with locked(BASES / f"{suite}.lock"):
        for found in sorted(BASES.glob(prefix + "*"), reverse=True):
            if time.time() - int(found.name.removeprefix(prefix)) < MAX_AGE:
                return found
        target = BASES / f"{prefix}{int(time.time())}"
        _make(suite, files, target)
        return target


def _make(suite: str, files: dict[str, bytes], target: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f".{suite}-", dir=BASES))
    try:
        root = partial / "root"
        sources = ground.survey().sources_list(suite)
        options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
        conf = partial / "apt.conf"
        conf.write_text(ground.survey().apt_conf)
        call(["mmdebstrap", "--quiet", *options, f"--aptopt={conf}", suite, root, "-"], stdin=sources)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        call(["chroot", root, "update-ca-certificates"])
        for name in anchor.DIVERTED:
            call(["chroot", root, "dpkg-divert", "--quiet", "--local", "--no-rename", "--add", name])
        for name in ("etc/hostname", "etc/machine-id", "etc/resolv.conf"):
            (root / name).unlink(missing_ok=True)
        (root / "etc/machine-id").touch()
        root.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
