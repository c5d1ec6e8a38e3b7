"""The whole new file set below one folder, read there by every daemon's own checker.

Inside the staged text every managed path is replaced by its staged one, so that a checker that follows a
reference stays in the stage. The files beside managed ones (`/etc/postfix/postfix-files`) are copied
there too: the checkers see what will really be there. A hand edit that is kept is staged as it is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from posthouse.engine.core import Engine, NotApplied
from posthouse.engine.goals import Drift
from posthouse.engine.observe import at
from posthouse.resources import Blueprint, Checker, File

_LARGEST_NEIGHBOUR = 4_194_304  # bytes; configuration is smaller, what is larger is data


def check(engine: Engine, blueprint: Blueprint, drift: Sequence[Drift]) -> None:
    """Stage the file set and run every checker. NotApplied with all that the red ones said; OSError.

    What is red with a hand edit and green without it is the edit's doing: it is live already, and must not
    stand in the way of the other files. It is said, and if a service then fails everything is taken back.
    """
    red = _red(engine, blueprint, blueprint.checkers, drift)
    if red and drift:
        without = _red(engine, blueprint, tuple(red), [])
        for checker in [checker for checker in red if checker not in without]:
            engine.note(f"{checker.name} objects to an edit made by hand:\n{_indented(red[checker])}")
        red = without
    if red:
        said = "\n".join(f"{checker.name}:\n{_indented(text)}" for checker, text in red.items())
        raise NotApplied(
            f"the daemons' own checks refuse the new configuration, and no file was changed\n{said}",
            "correct posthouse.toml or the overrides, and say it again",
        )


def _red(
    engine: Engine, blueprint: Blueprint, checkers: Sequence[Checker], drift: Sequence[Drift]
) -> dict[Checker, str]:
    """Return what each red checker says of the stage."""
    stage = engine.store.path("stage")
    shutil.rmtree(stage, ignore_errors=True)
    try:
        stage.mkdir(mode=0o700)
        lay_out(engine.machine.root, stage, blueprint, drift)
        engine.step("staged")
        return {checker: said for checker in checkers if (said := _ask(engine, checker, stage))}
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def lay_out(root: Path, stage: Path, blueprint: Blueprint, drift: Sequence[Drift]) -> None:
    """Write the file set below `stage`. OSError on a full disk."""
    edited = {item.path: item for item in drift if item.managed}
    names = StagedNames([file.path for file in blueprint.files], stage)
    for folder in sorted(_own_folders(blueprint.files)):
        _copy_neighbours(at(root, folder), stage / folder.relative_to("/"))
    for file in blueprint.files:
        target = stage / file.path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        text = _live_text(at(root, file.path), edited.get(file.path)) if file.path in edited else file.content
        if text is None:
            continue  # deleted by hand, and left so
        target.touch(mode=0o600)
        target.write_text(names(text), encoding="utf-8", errors="surrogateescape", newline="")
        target.chmod(file.mode)


def _live_text(path: Path, drift: Drift | None) -> str | None:
    if drift is None or drift.there is None or drift.there.kind == "directory":
        return None
    return path.read_bytes().decode(errors="surrogateescape")


class StagedNames:
    """Replace managed paths in a text by their staged ones, the longest first."""

    def __init__(self, managed: Collection[Path], stage: Path) -> None:
        longest_first = sorted(map(str, managed), key=len, reverse=True)
        # Not inside a longer path: neither what stands before nor behind may go on with the name.
        self.pattern = re.compile(
            r"(?<![\w.}/-])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w/-]|\.\w)"
        )
        self.stage = str(stage)
        self.any = bool(managed)

    def __call__(self, text: str) -> str:
        """Return the text with the staged paths."""
        return self.pattern.sub(lambda match: self.stage + match[0], text) if self.any else text


def _own_folders(files: Sequence[File]) -> set[Path]:
    """Return the topmost folders that are a daemon's own: `/etc/postfix`, never `/etc`."""
    return {
        Path(*file.path.parts[:3])
        for file in files
        if file.path.parts[1] == "etc" and len(file.path.parts) > 3 and file.path.parts[2] not in _SHARED
    }


_SHARED = ("systemd", "ssl", "posthouse", "apt", "cron.d", "default", "sysctl.d", "tmpfiles.d")


def _copy_neighbours(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        copy = target / item.name
        if item.is_symlink():
            copy.symlink_to(item.readlink())
        elif item.is_dir():
            _copy_neighbours(item, copy)
        elif item.is_file() and item.stat().st_size <= _LARGEST_NEIGHBOUR and ".posthouse-" not in item.name:
            shutil.copy2(item, copy)


def _ask(engine: Engine, checker: Checker, stage: Path) -> str:
    """Return what a checker has against the stage, with live paths; empty: nothing."""
    argv = [word.replace("{stage}", str(stage)) for word in checker.argv]
    env = {name: value.replace("{stage}", str(stage)) for name, value in checker.env}
    done = engine.machine.run(argv, env)
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    bad = [line for line in lines if checker.refuse and re.search(checker.refuse, line)]
    if done.returncode == 0 and not bad:
        return ""
    said = dict.fromkeys(bad if done.returncode == 0 else lines)
    return "\n".join(said).replace(str(stage), "").strip() or f"exit status {done.returncode}, and no word"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
