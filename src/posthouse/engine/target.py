"""What an apply aims at, what comes of it, and what it starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from posthouse.engine import generations
from posthouse.engine.core import Engine
from posthouse.engine.found import Found
from posthouse.engine.generations import Inputs
from posthouse.engine.goal import Goal
from posthouse.engine.plan import Before, Plan
from posthouse.resources import Blueprint

Probe = Callable[[], str | None]  # None: mail flows; else why not
Prepare = Callable[[], Iterable[Path]]


@dataclass(frozen=True)
class Target:
    """What to make of the machine.

    `platform` names Debian and service manager; `version` is the program's. `number`: an existing
    generation to go back to, None for a new one. `overwrite`: hand edits give way, with a copy kept.
    `extra`: files outside the file set that change with it. `outside`: paths that `prepare` will change, and that
    services must read again, with the reason. `notes`: what the reader should know first.
    """

    blueprint: Blueprint
    inputs: Inputs
    why: str
    platform: str
    version: str = ""
    number: int | None = None
    overwrite: bool = False
    extra: tuple[Goal, ...] = ()
    outside: tuple[tuple[Path, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of it. `changed`: the machine is not what it was; `doubt`: why mail is not known to flow.

    `kept`: where copies of overwritten hand edits are.
    """

    generation: int
    plan: Plan
    changed: bool
    doubt: str = ""
    kept: tuple[Path, ...] = ()


def before(engine: Engine, platform: str) -> Before:
    """Return what a plan starts from. PosthouseError where the state cannot be read."""
    state = engine.store.state()
    current = generations.blueprint(engine.store, state.current, platform)
    elsewhere = False
    if current is None:  # rendered for another platform: its services and derived files still tell
        label = generations.load(engine.store, state.current)
        current = generations.blueprint(engine.store, state.current, label.platform)
        elsewhere = True
    return Before(state, current or Blueprint(), Found.load(engine.store), elsewhere)
