"""Back to any generation: its files, its site file and its overrides, and the services as they were.

`current` moves to that number and no new one is made; the next apply takes the next free number. Hand
edits give way, with a copy of each under `kept/`. Generation 0 is the machine as found: what was at the
managed paths comes back, what did not run is stopped; packages, users, folders, mail and directory stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from posthouse.engine import generations
from posthouse.engine.core import Engine
from posthouse.engine.generations import Inputs
from posthouse.engine.goal import Goal
from posthouse.engine.goals import edit_of
from posthouse.engine.journal import becomes
from posthouse.engine.observe import file_states
from posthouse.engine.store import now
from posthouse.engine.target import Target
from posthouse.resources import Blueprint


@dataclasses.dataclass(frozen=True)
class Home:
    """Where the operator's own files are (live paths)."""

    site: Path
    overrides: Path


def target(
    engine: Engine,
    number: int,
    platform: str,
    render: Callable[[Inputs], Blueprint],
    *,
    home: Home,
    present: Inputs,
    inputs_too: bool = True,
) -> Target:
    """Return the target of a rollback.

    Args:
        engine: the surroundings.
        number: the generation.
        platform: what the machine is now; a generation never rendered for it is rendered again.
        render: makes a blueprint out of inputs, for this platform.
        home: where the operator's files are.
        present: the operator's files as they are now.
        inputs_too: bring back site file and overrides too (not for generation 0, which has none).

    Raises:
        UsageError: there is no such generation, or its site file is no good any longer.
    """
    if number == 0:
        return Target(
            Blueprint(), present, "rollback to the machine as found", platform, number=0, overwrite=True
        )
    generations.load(engine.store, number)
    given = generations.inputs(engine.store, number)
    blueprint = generations.blueprint(engine.store, number, platform)
    if blueprint is None:
        engine.note(f"generation {number} was made for another Debian: rendering its site file again")
        blueprint = render(given)
        generations.add_platform(engine.store, number, platform, blueprint)
    extra = _operators_files(engine, home, given, present) if inputs_too else ()
    return Target(
        blueprint, given, f"rollback to {number}", platform, number=number, overwrite=True, extra=extra
    )


def _operators_files(engine: Engine, home: Home, given: Inputs, present: Inputs) -> tuple[Goal, ...]:
    """Return the goals that bring back site file and overrides, and a copy of what no generation has."""
    wanted = {home.site: given.site}
    wanted |= {home.overrides / name: text for name, text in (given.overrides or {}).items()}
    gone = [home.overrides / name for name in present.overrides or {} if home.overrides / name not in wanted]
    there = file_states(engine.machine.root, [*wanted, *gone])
    goals = []
    for path, text in wanted.items():
        now_there = there[path]
        owner, group, mode = ("root", "root", 0o600)
        if now_there is not None:
            owner, group, mode = now_there.owner, now_there.group, now_there.mode
        goal = Goal(path, text.encode(), owner, group, mode, origin=f"as it was {_ORIGIN}")
        if edit_of(now_there) != becomes(goal):
            goals.append(goal)
    goals += [Goal(path, None, origin="that generation has none") for path in gone]
    if goals and not _in_a_generation(engine, present):
        goals += _copies(home, present)
    return tuple(goals)


_ORIGIN = "with that generation"


def _in_a_generation(engine: Engine, present: Inputs) -> bool:
    known = (generations.inputs(engine.store, number) for number in generations.numbers(engine.store))
    return any(given.digest == present.digest for given in known)


def _copies(home: Home, present: Inputs) -> list[Goal]:
    """Keep the operator's present files beside their places: no generation has them."""
    if not present.site and not present.overrides:
        return []
    suffix = f".before-rollback-{now().replace(':', '')}"
    copies = [
        Goal(
            home.site.with_name(home.site.name + suffix),
            present.site.encode(errors="surrogateescape"),
            mode=0o600,
        )
    ]
    folder = home.overrides.with_name(home.overrides.name + suffix)
    copies += [
        Goal(folder / name, text.encode(), mode=0o600) for name, text in (present.overrides or {}).items()
    ]
    return [dataclasses.replace(goal, origin="a copy: no generation has it") for goal in copies]
