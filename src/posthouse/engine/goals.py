"""What each path shall be: the difference between a blueprint, what was put before, and what is there.

Three states meet at every path: *wanted* (the blueprint, or, where it names the path no longer, what was
found there before it was managed), *put* (what the engine left there last) and *there* (what is there now).
There differs from put: somebody edited it, and it is drift. Put differs from wanted: a change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from posthouse.engine.found import Found
from posthouse.engine.goal import Goal
from posthouse.engine.store import Put, State
from posthouse.host.files import FileState
from posthouse.resources import Blueprint, File


@dataclass(frozen=True)
class Drift:
    """A managed path that somebody changed: what was put there, and how it differs."""

    path: Path
    put: Put
    there: FileState | None
    managed: bool = True

    @property
    def what(self) -> str:
        """Say in a few words what was changed."""
        there = self.there
        if there is None:
            return "deleted"
        if there.kind != "file":
            return f"replaced by a {there.kind}"
        parts = ["edited"] if there.sha256 != self.put.sha256 else []
        if there.mode != self.put.mode:
            parts.append(f"mode {self.put.mode:04o} changed to {there.mode:04o}")
        if (there.owner, there.group) != (self.put.owner, self.put.group):
            parts.append(f"owner {self.put.owner}:{self.put.group} changed to {there.owner}:{there.group}")
        return ", ".join(parts)


def same(there: FileState | None, put: Put | None) -> bool:
    """Tell whether a path holds exactly that."""
    if there is None or put is None:
        return there is None and put is None
    return (there.kind, there.sha256, there.owner, there.group, there.mode) == (
        "file",
        put.sha256,
        put.owner,
        put.group,
        put.mode,
    )


def wanted(file: File) -> Goal:
    """Return a file of the blueprint as a goal."""
    return Goal(file.path, file.content.encode(), file.owner, file.group, file.mode)


def drifts(state: State, there: Mapping[Path, FileState | None]) -> list[Drift]:
    """Return the hand edits among managed paths, without those that were given free."""
    found = []
    for name, put in sorted(state.put.items()):
        now = there[Path(name)]
        freed = state.resolved.get(name)
        if not same(now, put) and freed != edit_of(now):
            found.append(Drift(Path(name), put, now))
    return found


def edit_of(there: FileState | None) -> str:
    """Return what tells one hand edit from another."""
    if there is None:
        return "absent"
    return f"{there.kind}:{there.sha256}:{there.owner}:{there.group}:{there.mode:o}"


def goals(
    blueprint: Blueprint,
    gone: Collection[Path],
    state: State,
    there: Mapping[Path, FileState | None],
    found: Found,
    *,
    overwrite: bool,
) -> tuple[list[Goal], list[Drift]]:
    """Return what must change at which path, and the hand edits; those are left alone unless `overwrite`.

    `gone`: derived files that are no longer wanted.
    """
    by_path = {drift.path: drift for drift in drifts(state, there)}
    result: list[Goal] = []
    seen: list[Drift] = []
    named = {file.path for file in blueprint.files}
    targets = [wanted(file) for file in blueprint.files]
    left = [Path(name) for name in sorted(state.put) if Path(name) not in named]
    targets += [found.original(path) for path in (*left, *gone)]
    for goal in targets:
        drift = by_path.get(goal.path)
        now = there[goal.path]
        if goal.link is None and same(now, goal.put):
            continue
        if drift is None:
            freed = goal.path.as_posix() in state.resolved
            result.append(_edited(goal) if freed else goal)
        elif overwrite:
            seen.append(drift)
            result.append(_edited(goal))
        else:
            seen.append(Drift(drift.path, drift.put, drift.there, managed=goal.path in named))
    return result, seen


def _edited(goal: Goal) -> Goal:
    return replace(goal, edited=True)
