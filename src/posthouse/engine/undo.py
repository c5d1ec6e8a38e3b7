"""Finish or take back what a run left behind: afterwards the machine is in exactly one generation.

Files go back by renames alone, so that a full disk cannot stop them. A file that somebody edited after the
cut is neither what was nor what became: it stays, and is drift of the generation that is back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from posthouse.engine import generations
from posthouse.engine.activate import derive, noted, take_step
from posthouse.engine.core import Engine
from posthouse.engine.goals import edit_of
from posthouse.engine.journal import Entry, Intent, Journal, Mark, read
from posthouse.engine.observe import at, file_states, unit_alone
from posthouse.engine.plan import Verb, Work, touches
from posthouse.engine.signals import held
from posthouse.engine.store import sync_folder
from posthouse.errors import PosthouseError
from posthouse.host import swap
from posthouse.resources import Service


def interrupted(engine: Engine) -> str | None:
    """Say what a run left behind, for a plan; None where there is nothing. Changes nothing."""
    left = read(engine.store)
    if left is None:
        return None
    intent, marks = left
    ends = "finishes it" if _committed(marks) else "takes it back"
    return f"What was begun at {intent.when} ({intent.why}) was cut off; the next apply {ends} first."


def recover(engine: Engine) -> list[str]:
    """Finish or undo what a run left behind. Return what could not be put right with the services.

    Raises:
        OSError, PosthouseError: a file cannot go back; the journal stays, and the next run tries again.
    """
    left = read(engine.store)
    if left is None:
        return []
    intent, marks = left
    with held():
        if _committed(marks):
            engine.note(f"finishing what was begun at {intent.when}")
            clear(engine.machine.root, [entry.path for entry in intent.entries])
            Journal(engine.store).close()
            return []
        return _undo(engine, intent, marks)


def _committed(marks: Sequence[Mark]) -> bool:
    return any(mark.step == "commit" for mark in marks)


def _undo(engine: Engine, intent: Intent, marks: Sequence[Mark]) -> list[str]:
    root = engine.machine.root
    steps = {mark.step for mark in marks}
    there = file_states(root, [entry.path for entry in intent.entries])
    for entry in reversed(intent.entries):
        _file_back(engine, entry, edit_of(there[entry.path]))
        engine.step("undo file")
    _sync(root, intent.entries)
    noted(engine, (*intent.after.files, *intent.before.files), {entry.path for entry in intent.entries})
    trouble = _derived_back(engine, intent) if "derive" in steps else []
    trouble += _services_back(engine, intent, marks) if "service" in steps else []
    if engine.store.state() != intent.state:
        engine.store.write_state(intent.state)
    engine.step("undo state")
    if intent.new_generation:
        generations.drop(engine.store, intent.new_generation)
    clear(root, [entry.path for entry in intent.entries])
    engine.step("undo clear")
    Journal(engine.store).close()
    return trouble


def _file_back(engine: Engine, entry: Entry, there: str) -> None:
    path = at(engine.machine.root, entry.path)
    if there == entry.was or not _ours(there, entry.becomes):
        return
    if not swap.put_back(path) and entry.was == "absent":
        path.unlink(missing_ok=True)


def _ours(there: str, becomes: str) -> bool:
    return there.startswith("symlink:") if becomes == "symlink" else there == becomes


def _derived_back(engine: Engine, intent: Intent) -> list[str]:
    touched = {entry.path for entry in intent.entries}
    trouble = []
    ours = {item.path for item in intent.before.derived}
    for path in intent.derived_absent:
        if path not in ours:
            at(engine.machine.root, path).unlink(missing_ok=True)
    for item in intent.before.derived:
        try:
            if touched.intersection(item.inputs) or not os.path.lexists(at(engine.machine.root, item.path)):
                derive(engine, item)
        except PosthouseError as error:
            trouble.append(str(error))
    engine.step("undo derived")
    return trouble


def _services_back(engine: Engine, intent: Intent, marks: Sequence[Mark]) -> list[str]:
    """Give every service that was touched what it had: the old files, running or not, at boot or not."""
    old = {service.name: service for service in intent.before.services}
    new = {service.name: service for service in intent.after.services}
    changed = frozenset({entry.path for entry in intent.entries})
    trouble: list[str] = []
    touched = {mark.name: mark for mark in reversed(marks) if mark.step == "service" and mark.name}
    stops = [mark for mark in touched.values() if not mark.data["running"]]
    goes = [mark for mark in reversed(touched.values()) if mark.data["running"]]
    for mark in stops:
        _service_back(engine, new.get(mark.name) or old.get(mark.name), mark, changed, trouble)
    try:
        engine.machine.configure()
    except PosthouseError as error:
        trouble.append(str(error))
    for mark in goes:
        _service_back(engine, old.get(mark.name) or _found(new.get(mark.name)), mark, changed, trouble)
    return trouble


def _found(service: Service | None) -> Service | None:
    """Return a service that was not ours before: with the files that were found it need not answer where ours did."""
    return None if service is None else replace(service, ready=())


def _service_back(
    engine: Engine, known: Service | None, mark: Mark, changed: frozenset[Path], trouble: list[str]
) -> None:
    service = known or unit_alone(mark.name)  # a unit that had to be quiet
    verb: Verb | None = "restart" if mark.data["running"] else "stop"
    if mark.data["verb"] is None:
        verb = None
    elif (
        mark.data["verb"] == "reload"
        and service.reload is not None
        and not touches(service.restart_on, changed)
    ):
        verb = "reload"
    enable = mark.data["enabled"] if mark.data["enable"] is not None else None
    try:
        take_step(engine, Work(service, verb, enable))
    except PosthouseError as error:
        trouble.append(str(error))
    engine.step("undo service")


def clear(root: Path, paths: Sequence[Path]) -> None:
    """Remove what lies beside the places."""
    for path in paths:
        if at(root, path).parent.is_dir():
            swap.clear(at(root, path))


def _sync(root: Path, entries: Sequence[Entry]) -> None:
    for folder in {at(root, entry.path).parent for entry in entries}:
        if folder.is_dir():
            sync_folder(folder)
