"""What the machine has of what a blueprint names: one query for each kind of resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from posthouse.engine.machine import Machine, UnitState
from posthouse.host.files import FileState, state_of
from posthouse.resources import Blueprint, Program, Service


@dataclass(frozen=True)
class Observed:
    """The ground that a plan stands on.

    `lacking` says what is wrong with groups and users; `files` holds managed files, derived files and
    directories by their live path; `units` holds services and quiet units by name.
    """

    packages: Mapping[str, str | None]
    lacking: Mapping[str, str]
    files: Mapping[Path, FileState | None]
    units: Mapping[str, UnitState]


def at(root: Path, path: Path) -> Path:
    """Return where a live path is below `root`."""
    return path if root == Path("/") else root / path.relative_to("/")


def file_states(root: Path, paths: Iterable[Path]) -> dict[Path, FileState | None]:
    """Observe live paths below a root. PosthouseError where one cannot be read."""
    real = {path: at(root, path) for path in paths}
    found = state_of(real.values())
    return {path: found[where] for path, where in real.items()}


def observe(
    blueprint: Blueprint, also: Iterable[Path], gone: Iterable[Service], machine: Machine
) -> Observed:
    """Observe everything that a blueprint names, the paths `also`, and services that it no longer names."""
    paths = {file.path for file in blueprint.files} | {item.path for item in blueprint.derived}
    directories = {directory.path for directory in blueprint.directories}
    files = file_states(machine.root, sorted((paths | set(also)) - directories))
    # A folder may be a link that the operator made to another disk: what counts is where it leads.
    real = {path: at(machine.root, path) for path in sorted(directories)}
    seen = state_of(real.values(), follow=True)
    files |= {path: seen[where] for path, where in real.items()}
    return Observed(
        packages=machine.installed([package.name for package in blueprint.packages]),
        lacking=machine.lacking(blueprint.groups, blueprint.users),
        files=files,
        units=machine.states([*blueprint.services, *gone, *map(unit_alone, blueprint.quiet_units)]),
    )


def unit_alone(unit: str) -> Service:
    """Return a unit of which nothing but the name is known (one that must be quiet) as a service."""
    return Service(unit, unit, Program(()))
