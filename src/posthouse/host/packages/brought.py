"""What Posthouse brought to the machine, so that `down --purge` can take exactly that away again.

Before packages are installed, what is there is noted in the engine's folder, and afterwards what is new is added to
what was brought; an installation that was cut off is accounted for by the next one. The launcher, which installs
Python before any of this can run, writes the same files.

    brought          NAME:ARCHITECTURE a line: the packages that came with Posthouse, dependencies too
    packages-before  the packages that were there, while an installation is under way
    packages-auto    what apt took for automatically installed when it all began
    accounts-before  JSON: users, groups, and files beside the packages' own, when it all began
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from posthouse import paths
from posthouse.host import accounts, files
from posthouse.host.packages import dpkg
from posthouse.host.run import run

BROUGHT = paths.ENGINE / "brought"
_BEFORE = paths.ENGINE / "packages-before"
_AUTO = paths.ENGINE / "packages-auto"
_ACCOUNTS = paths.ENGINE / "accounts-before"
# Maintainer scripts and `up` make these where they are missing, and no package owns them.
BESIDE = (Path("/etc/aliases"), Path("/etc/aliases.db"), Path("/etc/mailname"))


@contextmanager
def noting() -> Iterator[None]:
    """Account for the packages that come within a `with` block, also where it fails. OSError on a full disk."""
    paths.ENGINE.mkdir(mode=0o700, parents=True, exist_ok=True)
    _account()
    if not _AUTO.exists():
        _write(_AUTO, run(["apt-mark", "showauto"]).stdout.splitlines())
    if not _ACCOUNTS.exists():
        there = {
            "users": accounts.all_users(),
            "groups": accounts.all_groups(),
            "files": [str(path) for path in BESIDE if path.exists()],
        }
        files.write_atomic(_ACCOUNTS, json.dumps(there).encode(), mode=0o600)
    _write(_BEFORE, sorted(_installed()))
    try:
        yield
    finally:
        _account()


def packages() -> set[str] | None:
    """Return NAME:ARCHITECTURE of what was brought and is here; None where nobody kept account."""
    if not BROUGHT.exists():
        return None
    return set(_lines(BROUGHT)) & _installed()


def came(name: str) -> bool:
    """Tell whether a package came with Posthouse. OSError where the account cannot be read."""
    return any(line.partition(":")[0] == name for line in _lines(BROUGHT))


def remember(names: Iterable[str]) -> None:
    """Add NAME:ARCHITECTURE of what an earlier Posthouse brought, and left here when it went. OSError."""
    _write(BROUGHT, sorted(set(names).union(_lines(BROUGHT))))


def were_automatic() -> list[str]:
    """Return the packages that apt took for automatically installed when it all began."""
    return _lines(_AUTO)


def was_there(kind: str) -> set[str] | None:
    """Return names of "users", "groups" or "files" that were there when it all began; None: not known."""
    try:
        return set(json.loads(_ACCOUNTS.read_bytes())[kind])
    except FileNotFoundError:
        return None


def _account() -> None:
    if _BEFORE.exists():
        new = _installed() - set(_lines(_BEFORE))
        _write(BROUGHT, sorted(new.union(_lines(BROUGHT))))
        files.remove(_BEFORE)


def _installed() -> set[str]:
    return {f"{one.name}:{one.architecture}" for one in dpkg.entries() if one.state == "installed"}


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _write(path: Path, names: list[str]) -> None:
    files.write_atomic(path, "".join(f"{name}\n" for name in names).encode(), mode=0o600)
