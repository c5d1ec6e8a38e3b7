"""The plan: what must change so that the machine is what the blueprint says, as data.

A plan can be printed (`show.py`), written as JSON, and has a digest over everything it stands on, so that
`apply` can refuse a plan whose ground has moved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from posthouse.engine import goals as goals_
from posthouse.engine.codec import encode
from posthouse.engine.diff import diff_of
from posthouse.engine.found import Found
from posthouse.engine.goal import Goal
from posthouse.engine.goals import Drift
from posthouse.engine.observe import Observed, unit_alone
from posthouse.engine.store import State
from posthouse.resources import Blueprint, Derived, Service

Verb = Literal["start", "restart", "reload", "stop"]


@dataclass(frozen=True)
class Change:
    """One thing to do, and why. `diff`: for files, a unified diff with the secrets masked."""

    kind: str
    what: str
    action: str
    reason: str
    diff: str | None = None


@dataclass(frozen=True)
class Work:
    """What to do to one service: `verb` (None: it runs as it should), and whether to start it at boot."""

    service: Service
    verb: Verb | None
    enable: bool | None = None


@dataclass(frozen=True)
class Plan:
    """Changes and hand edits for the reader; goals, derived files and work for `activate`."""

    changes: tuple[Change, ...]
    drift: tuple[Drift, ...]
    digest: str
    goals: tuple[Goal, ...] = ()
    derived: tuple[Derived, ...] = ()
    work: tuple[Work, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> frozenset[Path]:
        """Return the live paths that the plan writes, derived ones too."""
        return frozenset({goal.path for goal in self.goals} | {item.path for item in self.derived})


@dataclass(frozen=True)
class Before:
    """What the plan starts from: the state, the current generation's blueprint, and generation 0.

    `elsewhere`: that blueprint was carried out under another Debian or service manager.
    """

    state: State
    blueprint: Blueprint
    found: Found
    elsewhere: bool = False

    def gone(self, blueprint: Blueprint) -> list[Service]:
        """Return services, and units that had to be quiet, which the blueprint names no longer."""
        names = {service.name for service in blueprint.services} | set(blueprint.quiet_units)
        # Those first that were here before us: where they come back, what needs them starts after them.
        ours = [*map(unit_alone, self.blueprint.quiet_units), *self.blueprint.services]
        return [service for service in ours if service.name not in names]

    def gone_derived(self, blueprint: Blueprint) -> list[Path]:
        """Return derived files of the current generation that the blueprint neither makes nor is."""
        paths = {item.path for item in blueprint.derived} | {file.path for file in blueprint.files}
        return [item.path for item in self.blueprint.derived if item.path not in paths]


def make(
    blueprint: Blueprint,
    observed: Observed,
    before: Before,
    read: Callable[[Path], bytes],
    *,
    overwrite: bool = False,
    extra: Sequence[Goal] = (),
    moved: Collection[Path] = (),
    outside: Sequence[tuple[Path, str]] = (),
    cut_off: str | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """Compare a blueprint with what was observed.

    Args:
        blueprint: what the machine must have.
        observed: what it has.
        before: what the engine did to it before.
        read: returns what is now in the file at a live path, for the diffs.
        overwrite: hand edits give way (a rollback; a copy of each is kept).
        extra: more files that change with this plan, outside the file set (the site file of a rollback).
        moved: paths outside the file set that changed, and that services must read again.
        outside: such paths that an apply will change, each with the reason.
        cut_off: what an earlier run left behind, if it did.
        notes: what the reader should know first.
    """
    wants, drift = goals_.goals(
        blueprint,
        before.gone_derived(blueprint),
        before.state,
        observed.files,
        before.found,
        overwrite=overwrite,
    )
    wants += extra
    changed = {goal.path for goal in wants}
    # What another Debian's programs made may be of no use to these (a compiled Sieve script).
    made_before = () if before.elsewhere else before.blueprint.derived
    derived = _derived(blueprint, observed, made_before, changed)
    changed |= {item.path for item in derived}
    work = _work(blueprint, observed, before, changed.union(moved, (path for path, _ in outside)))
    changes = (
        *([Change("journal", "an earlier run", "recover", cut_off)] if cut_off else []),
        *_ground_changes(blueprint, observed),
        *(_file_change(goal, blueprint, observed, before, read) for goal in wants),
        *(Change("path", str(path), "replace", reason) for path, reason in outside),
        *(Change("derived", str(item.path), "make", f"made from {_names(item.inputs)}") for item in derived),
        *(_service_change(item, observed) for item in work),
        *_proof_change(before.state),
    )
    digest = _digest(blueprint, observed, before.state, changes)
    return Plan(changes, tuple(drift), digest, tuple(wants), tuple(derived), tuple(work), tuple(notes))


def _ground_changes(blueprint: Blueprint, observed: Observed) -> list[Change]:
    changes = []
    for package in blueprint.packages:
        if observed.packages.get(package.name) is None:
            source = " from backports" if package.backports else ""
            changes.append(Change("package", package.name, "install", f"it is not installed{source}"))
    for what, lack in observed.lacking.items():
        kind, _, name = what.partition(" ")
        changes.append(Change(kind, name, "ensure", lack))
    for folder in blueprint.directories:
        there = observed.files[folder.path]
        wanted = f"{folder.owner}:{folder.group} {folder.mode:04o}"
        if there is None:
            changes.append(Change("directory", str(folder.path), "create", wanted))
        elif (there.owner, there.group, there.mode) != (folder.owner, folder.group, folder.mode):
            has = f"{there.owner}:{there.group} {there.mode:04o}"
            changes.append(Change("directory", str(folder.path), "change", f"{has}, should be {wanted}"))
    return changes


def _file_change(
    goal: Goal, blueprint: Blueprint, observed: Observed, before: Before, read: Callable[[Path], bytes]
) -> Change:
    there = observed.files.get(goal.path)
    old = read(goal.path) if there is not None and there.kind == "file" else None
    if goal.origin:
        action, reason = "remove" if goal.content is None else "restore", goal.origin
    elif there is None:
        action, reason = "create", "part of the service"
    elif goal.path.as_posix() in before.state.put:
        action, reason = "change", "the configuration says otherwise now"
    else:
        action, reason = "replace", "managed from now on; what was there stays in generation 0"
    if goal.edited:
        reason += "; overwrites an edit made by hand, of which a copy is kept"
    return Change(
        "file", str(goal.path), action, reason, diff_of(goal, there, old, blueprint, before.blueprint)
    )


def _derived(
    blueprint: Blueprint, observed: Observed, old: Sequence[Derived], changed: set[Path]
) -> list[Derived]:
    return [
        item
        for item in blueprint.derived
        if observed.files[item.path] is None or item not in old or changed.intersection(item.inputs)
    ]


def _work(blueprint: Blueprint, observed: Observed, before: Before, changed: set[Path]) -> list[Work]:
    before_by_name = {service.name: service for service in before.blueprint.services}
    work: list[Work] = []
    for service in before.gone(blueprint):
        work += _as_found(service, observed, before, changed)
    for unit in blueprint.quiet_units:
        there = observed.units[unit]
        if there.running or there.enabled:
            work.append(
                Work(unit_alone(unit), "stop" if there.running else None, False if there.enabled else None)
            )
    for service in blueprint.services:
        there = observed.units[service.name]
        known = before_by_name.get(service.name)
        verb: Verb | None = None
        if not there.running:
            verb = "start"
        elif touches((*service.restart_on, *_unit_files(service)), changed) or (
            known is not None and known.program != service.program
        ):
            verb = "restart"
        elif touches(service.reload_on, changed):
            verb = "restart" if service.reload is None else "reload"
        if verb or not there.enabled:
            work.append(Work(service, verb, None if there.enabled else True))
    return work


def _as_found(service: Service, observed: Observed, before: Before, changed: set[Path]) -> list[Work]:
    """Give a service that is no longer ours back to the machine, as it was found.

    With the files that were found it need not answer where ours did: that it runs is all that can be awaited.
    """
    service = replace(service, ready=())
    there = observed.units[service.name]
    running, enabled = before.found.unit(service.name)
    verb: Verb | None = "stop" if there.running and not running else None
    if running and there.running and touches((*service.restart_on, *service.reload_on), changed):
        verb = "restart"
    elif running and not there.running:
        verb = "start"
    enable = enabled if there.enabled != enabled else None
    return [Work(service, verb, enable)] if verb or enable is not None else []


def _unit_files(service: Service) -> tuple[Path, Path]:
    """Return where a unit, or a drop-in for it, would be ours (systemd.unit(5))."""
    folder = Path("/etc/systemd/system")
    return folder / service.unit, folder / f"{service.unit}.d"


def touches(on: Sequence[Path], changed: frozenset[Path] | set[Path]) -> bool:
    """Tell whether a changed path is one of these, or below one of these."""
    wanted = set(on)
    return any(path in wanted or not wanted.isdisjoint(path.parents) for path in changed)


def _service_change(work: Work, observed: Observed) -> Change:
    there = observed.units[work.service.name]
    reason = {
        "start": f"it failed: {there.failed}" if there.failed else "it should run, and does not",
        "restart": "its configuration changes",
        "reload": "its configuration changes",
        "stop": "not part of the service",
        None: "it should start at boot" if work.enable else "it should not start at boot",
    }[work.verb]
    action: str = work.verb or ("enable" if work.enable else "disable")
    if work.verb and work.enable is not None:
        action += " and enable" if work.enable else " and disable"
    return Change("service", work.service.name, action, reason)


def _proof_change(state: State) -> list[Change]:
    if state.proof != "no":
        return []
    return [Change("proof", "mail flow", "prove", state.doubt or "not proven yet")]


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths)) or "nothing"


def _digest(blueprint: Blueprint, observed: Observed, state: State, changes: Sequence[Change]) -> str:
    ground = {
        "blueprint": encode(blueprint),
        "state": state.as_json(),
        "packages": dict(observed.packages),
        "lacking": dict(observed.lacking),
        "files": {str(path): goals_.edit_of(there) for path, there in observed.files.items()},
        "units": {name: [unit.running, unit.enabled] for name, unit in observed.units.items()},
        "changes": [[change.kind, change.what, change.action] for change in changes],
    }
    return hashlib.sha256(json.dumps(ground, sort_keys=True).encode()).hexdigest()[:16]
