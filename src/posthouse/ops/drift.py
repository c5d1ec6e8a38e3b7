"""Edits made by hand: listed, shown, adopted into the overrides, or discarded with a copy kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from posthouse import paths
from posthouse.engine import apply as engine_apply
from posthouse.engine import drift as engine_drift
from posthouse.engine import generations
from posthouse.engine.goals import Drift
from posthouse.engine.target import Outcome, Target
from posthouse.engine.undo import interrupted
from posthouse.errors import UsageError
from posthouse.host import files
from posthouse.ops.adopt import CannotAdopt, adopted
from posthouse.ops.alone import alone
from posthouse.ops.context import Base
from posthouse.resources import Blueprint

Note = Callable[[str], None]


def seen(base: Base) -> list[Drift]:
    """Return the hand edits."""
    return engine_drift.seen(base.engine)


def diff(base: Base, drift: Drift) -> str:
    """Return an edit as a unified diff with secrets masked; empty where only mode or owner were changed."""
    return engine_drift.diff(base.engine, drift, _current(base))


def adopt(base: Base, path: Path, note: Note) -> Path:
    """Move an edit into the overrides; the next apply puts the file in order. Return the override's path.

    Raises:
        UsageError: there is no edit at that path.
        CannotAdopt: it cannot be said as an override, with what to do.
    """
    base = base.telling(note)
    with alone(base.engine):
        drift = engine_drift.at_path(base.engine, path)
        if drift.there is None or drift.there.sha256 == drift.put.sha256:
            raise CannotAdopt(
                f"{path}: {drift.what}; an override can only say what a file holds",
                f"`posthouse drift discard {path}` puts it back.",
            )
        ours, theirs = engine_drift.texts(base.engine, drift, _current(base))
        name, text = adopted(path, ours, theirs, base.inputs.overrides or {})
        override = paths.OVERRIDES / name
        before = files.state_of([override])[override]
        owner = (before.owner, before.group, before.mode) if before else ("root", "root", 0o600)
        files.write_atomic(override, text.encode(), *owner)
        engine_drift.free(base.engine, drift)
    return override


def discard(base: Base, path: Path, note: Note) -> Outcome:
    """Put the current generation's file back; a copy of the edit is kept.

    Raises:
        UsageError: there is no edit at that path, or nothing was applied since Debian was upgraded.
        NotApplied: it could not be put back; everything is as it was.
    """
    base = base.telling(note)
    with alone(base.engine):
        state = base.engine.store.state()
        given = generations.inputs(base.engine.store, state.current)
        target = Target(
            _current(base), given, f"discard the edit of {path}", base.platform, number=state.current
        )
        engine_drift.free(base.engine, engine_drift.at_path(base.engine, path))
        try:
            return engine_apply.apply(base.engine, target)
        except BaseException:
            if interrupted(base.engine) is None:
                base.engine.store.write_state(state)  # nothing came of it: the edit is an edit again
            raise


def _current(base: Base) -> Blueprint:
    number = base.engine.store.state().current
    blueprint = generations.blueprint(base.engine.store, number, base.platform)
    if blueprint is None:
        raise UsageError(
            f"generation {number} was made for another Debian than this one",
            "Say `posthouse apply` first.",
        )
    return blueprint
