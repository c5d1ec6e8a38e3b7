"""Installing packages with apt-get, so that it can be cut off anywhere and said again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from posthouse.errors import PosthouseError
from posthouse.host import machine
from posthouse.host.packages import answers, brought, dpkg, guard, locks
from posthouse.host.run import Completed, run
from posthouse.resources import Package

Note = Callable[[str], None]

LISTS = Path("/var/lib/apt/lists")
ARCHIVES = Path("/var/cache/apt/archives")
_DAY_SECONDS = 86_400
_LOCK_SECONDS = 1_800
_AGAIN = "say the command again (`posthouse up`): it goes on where it stopped"
ENV = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "UCF_FORCE_CONFFOLD": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
}
_INFO = dpkg.DATABASE / "info"
_CONFIGURE = ("dpkg", "--configure", "-a")
_KEEP_CONFFILES = ("-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-confdef")
APT = (
    "apt-get",
    "-q",
    "-y",
    "-o",
    "Acquire::Retries=3",
    "-o",
    "DPkg::Lock::Timeout=600",
    "--no-remove",
    *_KEEP_CONFFILES,
)
_NO_SPACE = re.compile(r"No space left on device|enough free space in|Disk quota exceeded")
_UNKNOWN = re.compile(r"Unable to locate package|has no installation candidate")
_STALE = re.compile(r"404 +Not Found|Hash Sum mismatch|File has unexpected size")


class PackagesFailed(PosthouseError):
    """Packages could not be installed; the message quotes what apt said last."""


def install(packages: Sequence[Package], note: Note) -> None:
    """Install the packages that are missing, without letting any of their daemons start.

    Waits for another apt or dpkg (telling `note` whom), finishes a dpkg that was interrupted, refreshes
    the package lists where they are missing or older than a day, keeps the operator's conffiles, and
    never removes a package.

    Raises:
        PackagesFailed: apt cannot find, fetch or set them up, or there is no room.
        AptBusy: another program works on packages and does not end.
    """
    names = [package.name for package in packages]
    locks.wait_until_free(note, _LOCK_SECONDS)
    guard.release()
    if not dpkg.interrupted() and not _missing(names):
        return
    with brought.noting():
        _bring(names, note)


def _bring(names: Sequence[str], note: Note) -> None:
    if dpkg.interrupted():
        _finish_interrupted(note)
    missing = _missing(names)
    if not missing:
        return
    _refresh_lists(note)
    done = _install(["install", "--no-install-recommends", *missing], missing, note)
    if left := _missing(missing):
        raise failed("install", left, done)


def _missing(names: Sequence[str]) -> list[str]:
    return [name for name, version in dpkg.installed(names).items() if version is None]


def _finish_interrupted(note: Note) -> None:
    """Let dpkg end what it was cut off in; where it lacks packages for that, fetch them."""
    note("finishing the package installation that was interrupted")
    never_set_up = [entry.name for entry in dpkg.unfinished() if not entry.configured_before]
    with guard.nothing_starts(machine.ground(), [], _unpacked(never_set_up)):
        answers.give(never_set_up, ENV)
        run([*_CONFIGURE, "--force-confold", "--force-confdef"], env=ENV, check=False, finish=True)
    broken = [entry.name for entry in dpkg.unfinished()]
    if broken:
        _install(["--fix-broken", "install"], broken, note, unpacked=never_set_up)


def _install(words: list[str], names: list[str], note: Note, unpacked: Sequence[str] = ()) -> Completed:
    """Fetch, look at what the packages bring, and install with that kept from starting."""
    brought = _resolve(words, names, note)
    note(f"fetching {len(brought)} packages" if brought else "setting packages up")
    _fetch(words, names, note)
    listing = guard.contents(_archives(brought))
    with guard.nothing_starts(machine.ground(), listing, _unpacked(unpacked)):
        answers.give(names, ENV)
        note(f"installing {len(brought)} packages")
        done = _apt(*words)
    if done.returncode != 0:
        raise failed("install", names, done)
    return done


def _apt(*words: str) -> Completed:
    return run([*APT, *words], env=ENV, check=False, finish=True)


def _unpacked(names: Sequence[str]) -> list[str]:
    """Return the contents of packages that are unpacked, from dpkg's own lists."""
    lists = [path for name in names for path in _INFO.glob("*.list") if path.stem.split(":")[0] == name]
    return [line for path in lists for line in path.read_text(errors="replace").splitlines()]


def _refresh_lists(note: Note) -> None:
    known = any(LISTS.glob("*_Packages*"))
    age = time.time() - max((p.stat().st_mtime for p in (LISTS, LISTS / "partial") if p.exists()), default=0)
    if not known or age > _DAY_SECONDS:
        _update(note, needed=not known)


def _update(note: Note, *, needed: bool) -> None:
    note("refreshing the package lists")
    locks.wait_until_free(note, _LOCK_SECONDS)
    done = _apt("update")
    if done.returncode != 0:
        if needed or _NO_SPACE.search(done.said):
            raise failed("refresh the lists of", [], done)
        note("the package lists could not all be refreshed; going on with those that are here")


def _resolve(words: list[str], names: list[str], note: Note) -> list[str]:
    """Return the names of all packages that a call of apt-get would unpack (--simulate).

    Raises:
        PackagesFailed: apt does not know them, or something would have to be removed for them.
    """
    done = _apt("--simulate", *words)
    if done.returncode != 0 and _UNKNOWN.search(done.said):
        _update(note, needed=True)
        done = _apt("--simulate", *words)
    if done.returncode != 0:
        raise failed("find", names, done)
    removed = re.findall(r"^Remv (\S+)", done.stdout, re.MULTILINE)
    if removed:
        raise PackagesFailed(
            f"installing {', '.join(names)} would remove {', '.join(removed)}, and nothing was done",
            f"if nothing of yours needs them: `apt-get remove {' '.join(removed)}`; {_AGAIN}",
        )
    return re.findall(r"^Inst (\S+)", done.stdout, re.MULTILINE)


def _fetch(words: list[str], names: list[str], note: Note) -> None:
    done = _apt("--download-only", *words)
    if done.returncode != 0 and _STALE.search(done.said):
        _update(note, needed=True)  # the lists name a version that the archive has replaced since
        done = _apt("--download-only", *words)
    if done.returncode != 0:
        raise failed("download", names, done)


def _archives(names: list[str]) -> list[Path]:
    """Return the downloaded .deb files of packages: NAME_VERSION_ARCH.deb."""
    wanted = {name.partition(":")[0] for name in names}
    return [path for path in sorted(ARCHIVES.glob("*.deb")) if path.name.partition("_")[0] in wanted]


def failed(what: str, names: Sequence[str], done: Completed, again: str = _AGAIN) -> PackagesFailed:
    """Return the error of a call of apt-get, with its own last words; `again`: what to do then."""
    lines = [line for line in done.said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("E:", "W:", "Err:", "dpkg:"))] or lines
    quoted = "".join(f"\n    {line}" for line in telling[-12:])
    subject = f"the packages {', '.join(names)}" if names else "packages"
    if _NO_SPACE.search(done.said):
        return PackagesFailed(
            f"no room on the disk: could not {what} {subject}:{quoted}",
            f"make room (`df -h / /var`), then {again}",
        )
    return PackagesFailed(f"apt could not {what} {subject}:{quoted}", again)
