"""Put the program where it stays: /opt/posthouse, with `posthouse` on the PATH.

    /opt/posthouse/releases/DIGEST/   posthouse (the launcher), requirements/, src/: one folder a version
    /opt/posthouse/current            link to the release in use
    /opt/posthouse/venvs/NAME/        Python environments, made by the launcher
    /opt/posthouse/venv               link to the environment in use
    /opt/posthouse/bin/posthouse-agent

A release is copied under another name and renamed when it is whole; links change by rename. Killed at any
point, the earlier program stands, and the next call goes on.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files

KEEP = 2  # releases: the one in use and the one before it
# where bash-completion looks for what the operator's own programs bring
COMPLETION = Path("/usr/local/share/bash-completion/completions/posthouse")

_PARTS = ("posthouse", "requirements", "src", "docs", "README.md", "LICENSE")
_SKIP = ("__pycache__", "*.egg-info", ".*_cache")

# Starts in a few milliseconds; goes through the launcher, which mends the environment, only where Debian's
# Python is another than the one the environment was made with.
_COMMAND = """\
#!/bin/sh
# Posthouse, installed in /opt/posthouse (removed with it).
base=/opt/posthouse
python=$(readlink /usr/bin/python3)
if [ -d "$base/venv/lib/$python" ] && [ -e "$base/venv/complete" ]; then
    umask 022
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
    export PATH
    exec "$base/venv/bin/python" -I -m posthouse "$@"
fi
exec "$base/current/posthouse" "$@"
"""

_AGENT = """\
#!/bin/sh
# The resident process of Posthouse. Before it starts, root says `posthouse-agent ready`: where Debian's Python
# has changed since the environment was made, the launcher makes one anew.
if [ "${1-}" = ready ]; then
    venv=/opt/posthouse/venv
    [ -d "$venv/lib/$(readlink /usr/bin/python3)" ] && [ -e "$venv/complete" ] && exit 0
    exec /opt/posthouse/current/posthouse --version
fi
exec /opt/posthouse/venv/bin/python -I -m posthouse.agent "$@"
"""


_GATE = """\
#!/bin/sh
# The milters around OpenDKIM and OpenDMARC. See posthouse-agent.
[ "${1-}" = ready ] && exec /opt/posthouse/bin/posthouse-agent ready
exec /opt/posthouse/venv/bin/python -I -m posthouse.gate "$@"
"""

_WEB = """\
#!/bin/sh
# What answers by HTTPS. See posthouse-agent.
[ "${1-}" = ready ] && exec /opt/posthouse/bin/posthouse-agent ready
exec /opt/posthouse/venv/bin/python -I -m posthouse.web "$@"
"""

_WATCH = """\
#!/bin/sh
# What reads the mail log and bans. See posthouse-agent.
[ "${1-}" = ready ] && exec /opt/posthouse/bin/posthouse-agent ready
exec /opt/posthouse/venv/bin/python -I -m posthouse.watch "$@"
"""


def source() -> Path:
    """Return the folder that this program runs from: a checkout, or a release. PosthouseError if neither."""
    root = Path(__file__).resolve().parents[3]
    missing = [part for part in ("posthouse", "requirements", "src") if not (root / part).exists()]
    if missing:
        raise PosthouseError(
            f"{root}: expected the whole of Posthouse here, did not find {', '.join(missing)}.",
            "Run ./posthouse from a checkout or an unpacked archive.",
        )
    return root


def in_place() -> bool:
    """Tell whether the program that runs now is the installed one."""
    return (
        source() == (paths.PROGRAM / "current").resolve()
        and (paths.PROGRAM / "venv").resolve() == Path(sys.prefix).resolve()
    )


def install(completion: str) -> bool:
    """Install the program that runs now, and bash's completion; True where that changed anything. Needs root.

    OSError where the disk is full or read-only; PosthouseError where the source is not whole.
    """
    root = source()
    releases = paths.PROGRAM / "releases"
    releases.mkdir(mode=0o755, parents=True, exist_ok=True)
    release = root if root.parent == releases else releases / digest(root)
    if not release.exists():
        _copy(root, release)
    changed = _link(paths.PROGRAM / "venv", Path(sys.prefix).resolve())
    changed |= _link(paths.PROGRAM / "current", release)
    for path, content, mode in (
        (paths.COMMAND, _COMMAND, 0o755),
        (paths.PROGRAM / "bin/posthouse-agent", _AGENT, 0o755),
        (paths.PROGRAM / "bin/posthouse-gate", _GATE, 0o755),
        (paths.PROGRAM / "bin/posthouse-watch", _WATCH, 0o755),
        (paths.PROGRAM / "bin/posthouse-web", _WEB, 0o755),
        (COMPLETION, completion, 0o644),
    ):
        if not _is(path, content, mode):
            files.write_atomic(path, content.encode(), mode=mode)
            changed = True
    if changed:
        _prune(releases)
    return changed


def digest(root: Path) -> str:
    """Return what names a release: 16 hexadecimal digits over its files' names and content."""
    summed = hashlib.sha256()
    for path in sorted(_files(root)):
        summed.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        summed.update(path.read_bytes())
    return summed.hexdigest()[:16]


def _files(root: Path) -> Iterator[Path]:
    """Yield the files of a release, as a copy of it would hold them."""
    ignore = shutil.ignore_patterns(*_SKIP)
    for part in _PARTS:
        if (root / part).is_file():
            yield root / part
            continue
        for folder, names, leaves in os.walk(root / part):
            skipped = ignore(folder, [*names, *leaves])
            names[:] = [name for name in names if name not in skipped]
            yield from (Path(folder, leaf) for leaf in leaves if leaf not in skipped)


def _copy(root: Path, release: Path) -> None:
    """Copy a release: owned by root and readable by all, whatever the checkout's owner and modes were."""
    draft = release.with_name(f".draft-{release.name}")
    shutil.rmtree(draft, ignore_errors=True)
    for path in _files(root):
        target = draft / path.relative_to(root)
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        runs = path == root / "posthouse" or path.stat().st_mode & stat.S_IXUSR
        target.chmod(0o755 if runs else 0o644)
    # the agent and the directory's user cannot write bytecode themselves
    compileall.compile_dir(draft / "src", quiet=2, stripdir=draft, prependdir=release)
    os.sync()
    draft.rename(release)


def _link(link: Path, target: Path) -> bool:
    """Let a link lead to `target`, in one step; True where it did not."""
    if link.is_symlink() and link.readlink() == target:
        return False
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.rename(link)
    return True


def _prune(releases: Path) -> None:
    """Remove what was cut off and the oldest releases, and the environments that no release needs."""
    current = (paths.PROGRAM / "current").resolve()
    for draft in releases.glob(".draft-*"):
        shutil.rmtree(draft, ignore_errors=True)
    others = sorted((r for r in releases.iterdir() if r != current), key=lambda r: r.stat().st_mtime)
    for release in others[: max(0, len(others) - KEEP + 1)]:
        shutil.rmtree(release, ignore_errors=True)
    # one without its mark is being made, or is removed by the launcher
    venvs = sorted((paths.PROGRAM / "venvs").glob("*/complete"), key=lambda mark: mark.stat().st_mtime)
    spare = [mark.parent for mark in venvs if mark.parent != Path(sys.prefix).resolve()]
    for venv in spare[: max(0, len(spare) - KEEP + 1)]:
        shutil.rmtree(venv, ignore_errors=True)


def _is(path: Path, content: str, mode: int) -> bool:
    try:
        return path.read_text() == content and stat.S_IMODE(path.stat().st_mode) == mode
    except OSError:
        return False
