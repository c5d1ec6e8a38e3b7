"""Apply: from a blueprint to a machine that is so, or to the machine as it was.

The order is the whole safety: recover, digest, packages, groups and users, directories, prepare, stage and
check, journal, files, derived files, services, readiness, probe, commit. What comes after `prepare` is in
`carry_out.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from posthouse.engine import generations, observe, verdict
from posthouse.engine import plan as plans
from posthouse.engine.carry_out import carry_out
from posthouse.engine.core import Engine, Interrupted, NotApplied
from posthouse.engine.observe import Observed, at
from posthouse.engine.plan import Before, Plan
from posthouse.engine.signals import as_errors
from posthouse.engine.target import Outcome, Prepare, Probe, Target, before
from posthouse.engine.undo import interrupted, recover
from posthouse.host.files import make_directory


def plan(engine: Engine, target: Target) -> Plan:
    """Observe, and return what an apply would do. Changes nothing."""
    return _plan(engine, target, before(engine, target.platform))[0]


def _plan(
    engine: Engine, target: Target, start: Before, moved: Collection[Path] = ()
) -> tuple[Plan, Observed]:
    root = engine.machine.root
    also = {Path(name) for name in start.state.put} | {goal.path for goal in target.extra}
    also.update(start.gone_derived(target.blueprint))
    seen = observe.observe(target.blueprint, also, start.gone(target.blueprint), engine.machine)
    made = plans.make(
        target.blueprint,
        seen,
        start,
        lambda path: at(root, path).read_bytes(),
        overwrite=target.overwrite,
        extra=target.extra,
        moved=moved,
        outside=target.outside,
        cut_off=interrupted(engine),
        notes=[*target.notes, *verdict.standing(engine, target.inputs)],
    )
    return made, seen


def apply(
    engine: Engine,
    target: Target,
    *,
    digest: str | None = None,
    prepare: Prepare = tuple,
    probe: Probe | None = None,
) -> Outcome:
    """Make the machine what the target says. The lock is the caller's.

    Args:
        engine: the surroundings.
        target: what to make of it.
        digest: of the plan that was agreed to; None: whatever the plan is.
        prepare: makes what lives on its own (the directory, keys) once users and folders are there, and
            returns the paths that it changed and that services must read again.
        probe: looks whether mail flows; None: nobody looks.

    Raises:
        NotApplied: the ground has moved, a checker is red, a file cannot be written, or what was applied
            failed and was taken back.
        Interrupted: a signal came; what was begun is undone, and that was said.
        PosthouseError: a package, user or folder could not be made; no managed file was changed.
    """
    engine.store.open()
    recovered = interrupted(engine) is not None
    for trouble in recover(engine):
        engine.note(trouble)
    try:
        with as_errors():
            start = before(engine, target.platform)
            first, seen = _plan(engine, target, start)
            if digest is not None and digest != first.digest:
                raise NotApplied(
                    f"the plan {digest} no longer fits the machine: now it would be {first.digest}",
                    "read `posthouse plan` again",
                )
            folders = [folder.path for folder in target.blueprint.directories]
            found = start.found.with_units(seen.units).with_directories(engine.machine.root, folders)
            start = replace(start, found=found)
            moved = _prepare(engine, target, first, prepare)
            work = first
            if first.changes or moved:
                work, seen = _plan(engine, target, start, moved)
            number = target.number
            if number is None:
                number = start.state.current
                if _is_new(engine, target, start):
                    number = 0
            if not work.changes and number == start.state.current:
                return Outcome(number, first, bool(first.changes) or recovered)
            return carry_out(engine, target, start, first, work, seen, number, probe)
    except Interrupted as error:
        if not error.undone:
            engine.note(f"{error}; no managed file was changed")
        raise


def _is_new(engine: Engine, target: Target, start: Before) -> bool:
    current = start.state.current
    if current == 0 or target.blueprint != start.blueprint:
        return True
    return generations.inputs(engine.store, current).digest != target.inputs.digest


def _prepare(engine: Engine, target: Target, plan: Plan, prepare: Prepare) -> frozenset[Path]:
    """Do what is never undone: packages, groups, users, folders, and what lives in them."""
    wanted = {(change.kind, change.what) for change in plan.changes}
    machine, blueprint = engine.machine, target.blueprint
    packages = [item for item in blueprint.packages if ("package", item.name) in wanted]
    if packages:
        engine.note(f"installing {len(packages)} packages")
        machine.install(packages, engine.note)
        engine.step("packages")
    for group in blueprint.groups:
        if ("group", group.name) in wanted:
            machine.ensure_group(group)
    for user in blueprint.users:
        if ("user", user.name) in wanted:
            machine.ensure_user(user)
    for folder in blueprint.directories:
        if packages or ("directory", str(folder.path)) in wanted:
            make_directory(replace(folder, path=at(machine.root, folder.path)))
    engine.step("directories")
    moved = frozenset(prepare())
    engine.step("prepared")
    return moved
