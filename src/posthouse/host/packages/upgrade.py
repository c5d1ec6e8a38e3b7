"""A full upgrade by apt, asking nothing, so that it can be cut off anywhere and said again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posthouse.host.packages import apt, dpkg, locks
from posthouse.host.run import Completed, run

Note = Callable[[str], None]

_LOCK_SECONDS = 1_800
_AGAIN = "mend what it says, and say the command again: it goes on where it stopped"
_APT = tuple(word for word in apt.APT if word != "--no-remove")


@dataclass(frozen=True)
class Steps:
    """What an upgrade would do, by package name; `versions`: what each would become."""

    versions: dict[str, str]
    removes: tuple[str, ...]


def interrupted() -> bool:
    """Tell whether dpkg was cut off and has work of its own to end."""
    return dpkg.interrupted()


def refresh(note: Note) -> None:
    """Fetch the package lists. PackagesFailed, AptBusy."""
    note("refreshing the package lists")
    locks.wait_until_free(note, _LOCK_SECONDS)
    _done("refresh the lists of", _run(["update"]))


def steps(options: Sequence[str] = ()) -> Steps:
    """Return what a full upgrade would do now (--simulate). PackagesFailed."""
    done = _done("plan an upgrade of", _run([*options, "--simulate", "full-upgrade"]))
    installs = re.findall(r"^Inst (\S+)(?: \[[^]]*\])? \((\S+)", done.stdout, re.MULTILINE)
    return Steps(dict(installs), tuple(re.findall(r"^(?:Remv|Purg) (\S+)", done.stdout, re.MULTILINE)))


def fetch(note: Note, options: Sequence[str] = ()) -> None:
    """Download what a full upgrade needs, so that nothing has to be waited for in the middle. PackagesFailed."""
    note("fetching the packages")
    _done("download", _run([*options, "--download-only", "full-upgrade"]))


def finish(note: Note, options: Sequence[str] = ()) -> None:
    """Let dpkg end what it was cut off in, with what apt has to add for that. PackagesFailed, AptBusy."""
    locks.wait_until_free(note, _LOCK_SECONDS)
    if dpkg.interrupted():
        note("finishing the package installation that was interrupted")
        # What this lacks comes with the next line.
        run(
            ["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"],
            env=apt.ENV,
            check=False,
            finish=True,
        )
        _done("mend", _run([*options, "--fix-broken", "install"]))


def upgrade(note: Note, options: Sequence[str] = ()) -> None:
    """Do it. PackagesFailed with what apt said; said again it goes on."""
    note("upgrading the packages")
    _done("upgrade", _run([*options, "full-upgrade"]))


def without(file: Path, instead: str, folder: Path) -> tuple[str, ...]:
    """Return apt's options that replace one file of preferences by another text, for one call.

    Args:
        file: the file in /etc/apt/preferences.d.
        instead: what shall count in its place.
        folder: where to lay out the preferences; made anew.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for path in file.parent.iterdir():
        if path.is_file() and path != file:
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / file.name).write_text(instead)
    return ("-o", f"Dir::Etc::PreferencesParts={folder}")


def _run(words: Sequence[str]) -> Completed:
    return run([*_APT, *words], env=apt.ENV, check=False, finish=True)


def _done(what: str, done: Completed) -> Completed:
    if done.returncode != 0:
        raise apt.failed(what, [], done, _AGAIN)
    return done
