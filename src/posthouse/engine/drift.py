"""Hand edits: seen, kept, and resolved when the operator says how."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from posthouse.engine import goals
from posthouse.engine.core import Engine
from posthouse.engine.diff import mask, unified
from posthouse.engine.goals import Drift
from posthouse.engine.observe import at, file_states
from posthouse.engine.store import now
from posthouse.errors import PosthouseError, UsageError
from posthouse.resources import Blueprint


def seen(engine: Engine) -> list[Drift]:
    """Return the hand edits among the files that are managed now. PosthouseError where one cannot be read."""
    state = engine.store.state()
    return goals.drifts(state, file_states(engine.machine.root, map(Path, state.put)))


def at_path(engine: Engine, path: Path) -> Drift:
    """Return the hand edit at a path. UsageError where there is none."""
    for drift in seen(engine):
        if drift.path == path:
            return drift
    if str(path) in engine.store.state().put:
        raise UsageError(f"{path} is as posthouse left it; there is no edit", "see `posthouse drift`")
    raise UsageError(f"{path} is not a file that posthouse manages", "see `posthouse drift`")


def texts(engine: Engine, drift: Drift, blueprint: Blueprint) -> tuple[str, str]:
    """Return (as the current generation has it, as it is now), unmasked.

    PosthouseError where it is not a file now, or the generation no longer has the path.
    """
    file = next((file for file in blueprint.files if file.path == drift.path), None)
    if file is None:
        raise PosthouseError(f"the current generation does not hold {drift.path}")
    if drift.there is None:
        return file.content, ""
    if drift.there.kind != "file":
        raise PosthouseError(f"expected a file at {drift.path}, found a {drift.there.kind}")
    now_there = at(engine.machine.root, drift.path).read_bytes()
    return file.content, now_there.decode(errors="replace")


def diff(engine: Engine, drift: Drift, blueprint: Blueprint) -> str:
    """Return the edit as a unified diff with secrets masked."""
    files = [file for file in blueprint.files if file.path == drift.path]
    ours, theirs = (mask(text, files) for text in texts(engine, drift, blueprint))
    return (
        unified(str(drift.path), ours, theirs)
        .replace("(now)", "(generation)", 1)
        .replace("(then)", "(now)", 1)
    )


def free(engine: Engine, drift: Drift) -> None:
    """Let the next apply overwrite exactly this edit."""
    state = engine.store.state()
    resolved = state.resolved | {str(drift.path): goals.edit_of(drift.there)}
    engine.store.write_state(replace(state, resolved=resolved))


def keep_copies(engine: Engine, paths: Iterable[Path]) -> list[Path]:
    """Copy what is at these paths into the engine's folder, with their modes. OSError on a full disk."""
    kept = []
    folder = engine.store.path("kept", now().replace(":", ""))
    for path in paths:
        real = at(engine.machine.root, path)
        if not (real.is_file() or real.is_symlink()):
            continue
        target = folder / path.relative_to("/")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(real, target, follow_symlinks=False)
        kept.append(target)
    return kept
