"""The write-ahead journal: what is about to change, written and synced before anything does.

The first line is the intent: every path with what is there and what will be, the services and derived
files of both sides, and the state to come back to. The lines after it are marks. With the mark `commit`
the next run clears up what is left beside the files; without it, `undo.py` takes everything back. Each of
the two can itself be cut off at any point and be said again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from posthouse.engine.codec import decode, encode
from posthouse.engine.goal import Goal
from posthouse.engine.goals import edit_of
from posthouse.engine.store import Put, State, Store, now, sync_folder
from posthouse.host.files import FileState
from posthouse.resources import Blueprint, File


@dataclass(frozen=True)
class Entry:
    """A path: what `was` there (as `edit_of` says it), and what it `becomes`."""

    path: Path
    was: str
    becomes: str


@dataclass(frozen=True)
class Intent:
    """The first line of the journal. `new_generation`: the number that is made by this, or 0."""

    when: str
    why: str
    state: State
    new_generation: int
    entries: tuple[Entry, ...]
    derived_absent: tuple[Path, ...]
    before: Blueprint
    after: Blueprint


@dataclass
class Mark:
    """A step that has begun. `name` and `data` say more about services."""

    step: str
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Journal:
    """An open journal. Made by `begin`; `close` ends it."""

    def __init__(self, store: Store) -> None:
        self.path = store.path("journal")
        self._fd: int | None = None

    def begin(self, intent: Intent) -> None:
        """Write the intent. OSError on a full disk: nothing has begun."""
        data = {
            "when": intent.when,
            "why": intent.why,
            "state": intent.state.as_json(),
            "new_generation": intent.new_generation,
            "entries": [[str(item.path), item.was, item.becomes] for item in intent.entries],
            "derived_absent": [str(path) for path in intent.derived_absent],
            "before": encode(intent.before),
            "after": encode(intent.after),
        }
        fresh = self.path.with_name("journal.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_line(data))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.path)
        sync_folder(self.path.parent)

    def mark(self, step: str, name: str = "", **data: Any) -> None:
        """Add a mark, synced, before the step that it names."""
        with self.path.open("ab") as file:
            file.write(_line(asdict(Mark(step, name, data))))
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Forget it: what it told of is whole, or undone."""
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)


def read(store: Store) -> tuple[Intent, list[Mark]] | None:
    """Return the journal that a run left behind, or None. A line cut off does not count."""
    try:
        lines = store.path("journal").read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    data = json.loads(lines[0])
    intent = Intent(
        data["when"],
        data["why"],
        State.of_json(data["state"]),
        data["new_generation"],
        tuple(Entry(Path(path), was, becomes) for path, was, becomes in data["entries"]),
        tuple(map(Path, data["derived_absent"])),
        decode(data["before"]),
        decode(data["after"]),
    )
    # What stands behind the last end of line was not written to its end, and so not begun.
    return intent, [Mark(**json.loads(line)) for line in lines[1:-1]]


def intent(
    why: str,
    state: State,
    new_generation: int,
    goals: Sequence[Goal],
    there: Mapping[Path, FileState | None],
    derived_absent: Sequence[Path],
    before: Blueprint,
    after: Blueprint,
) -> Intent:
    """Return the intent of an activation."""
    return Intent(
        now(),
        why,
        state,
        new_generation,
        tuple(Entry(goal.path, edit_of(there[goal.path]), becomes(goal)) for goal in goals),
        tuple(derived_absent),
        _kept(before),
        _kept(after),
    )


def _kept(blueprint: Blueprint) -> Blueprint:
    """What an undo needs of a blueprint: no contents."""
    files = tuple(File(file.path, "", live=file.live) for file in blueprint.files if file.live)
    return Blueprint(files=files, services=blueprint.services, derived=blueprint.derived)


def becomes(goal: Goal) -> str:
    """Return what `edit_of` will say of a path once it holds its goal."""
    if goal.content is None:
        return "absent"
    if goal.link is not None:
        return "symlink"
    put = goal.put
    assert isinstance(put, Put)
    return f"file:{put.sha256}:{put.owner}:{put.group}:{put.mode:o}"


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
