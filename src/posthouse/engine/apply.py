"""Apply: from a blueprint to a machine that is so, or to the machine as it was.

The order is the whole safety: recover, digest, packages, groups and users, directories, prepare, stage and
check, journal, files, derived files, services, readiness, probe, commit. Up to the journal nothing that is
managed has changed; from there on whatever fails is undone from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from posthouse.engine import activate, drift, generations, journal, observe, stage, verdict
from posthouse.engine import plan as plans
from posthouse.engine.core import Engine, Interrupted, NotApplied
from posthouse.engine.found import Found
from posthouse.engine.generations import Generation, Inputs
from posthouse.engine.goals import Goal, wanted
from posthouse.engine.observe import Observed, at
from posthouse.engine.plan import Before, Plan
from posthouse.engine.resources import Blueprint
from posthouse.engine.signals import as_errors
from posthouse.engine.store import Proof, Put, State
from posthouse.engine.undo import clear, interrupted, recover
from posthouse.errors import PosthouseError
from posthouse.host.files import make_directory

Probe = Callable[[], str | None]  # None: mail flows; else why not
Prepare = Callable[[], Iterable[Path]]


@dataclass(frozen=True)
class Target:
    """What to make of the machine.

    `platform` names Debian and service manager; `version` is the program's. `number`: an existing
    generation to go back to, None for a new one. `overwrite`: hand edits give way, with a copy kept.
    `extra`: files outside the file set that change with it. `notes`: what the reader should know first.
    """

    blueprint: Blueprint
    inputs: Inputs
    why: str
    platform: str
    version: str = ""
    number: int | None = None
    overwrite: bool = False
    extra: tuple[Goal, ...] = ()
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
    if current is None:  # rendered for another platform: its services and derived files still tell
        label = generations.load(engine.store, state.current)
        current = generations.blueprint(engine.store, state.current, label.platform)
    return Before(state, current or Blueprint(), Found.load(engine.store))


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
        Interrupted: a signal came; undone.
        PosthouseError: a package, user or folder could not be made; no managed file was changed.
    """
    engine.store.open()
    recovered = interrupted(engine) is not None
    for trouble in recover(engine):
        engine.note(trouble)
    with as_errors():
        start = before(engine, target.platform)
        first, seen = _plan(engine, target, start)
        if digest is not None and digest != first.digest:
            raise NotApplied(
                f"the plan {digest} no longer fits the machine: now it would be {first.digest}",
                "read `posthouse plan` again",
            )
        start = replace(start, found=start.found.with_units(seen.units))
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
        return _activate(engine, target, start, first, work, seen, number, probe)


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


def _activate(
    engine: Engine,
    target: Target,
    start: Before,
    first: Plan,
    work: Plan,
    seen: Observed,
    number: int,
    probe: Probe | None,
) -> Outcome:
    root, store = engine.machine.root, engine.store
    outside = {goal.path for goal in target.extra}
    ours = {Path(name) for name in start.state.put} | {item.path for item in start.blueprint.derived}
    writes = [goal.path for goal in work.goals] + [item.path for item in work.derived]
    fresh = [path for path in writes if path not in ours]
    start.found.with_files(root, [path for path in fresh if path not in outside])
    if work.goals or work.derived:
        stage.check(engine, target.blueprint, [] if target.overwrite else work.drift)
    kept = drift.keep_copies(engine, [goal.path for goal in work.goals if goal.edited])
    label = _label(engine, target) if target.number is None and number == 0 else None
    number = label.number if label else number
    log = journal.Journal(store)
    log.begin(_intent(target, start, work, seen, label))
    try:
        engine.step("journal")
        if label:
            generations.write(store, label, target.inputs, target.blueprint)
        activate.lay(engine, work, seen)
        activate.stops(engine, log, work, seen)
        activate.switch(engine, work)
        _derive(engine, log, work)
        proof, doubt = _prove(engine, log, target, start.state, work, seen, probe)
        store.write_state(_state_after(start.state, target, work, number, proof, doubt))
        engine.step("state")
        log.mark("commit")
    except Exception as error:
        raise _taken_back(engine, target, start.state, error) from error
    engine.step("commit")
    clear(root, [goal.path for goal in work.goals])
    log.close()
    verdict.forget(engine)
    return Outcome(number, first, True, doubt, tuple(kept))


def _label(engine: Engine, target: Target) -> Generation:
    versions = engine.machine.installed([package.name for package in target.blueprint.packages])
    return generations.label(engine.store, target.why, target.platform, target.version, dict(versions))


def _intent(
    target: Target, start: Before, work: Plan, seen: Observed, label: Generation | None
) -> journal.Intent:
    return journal.intent(
        target.why,
        start.state,
        label.number if label else 0,
        work.goals,
        seen.files,
        [item.path for item in work.derived if seen.files[item.path] is None],
        start.blueprint,
        target.blueprint,
    )


def _derive(engine: Engine, log: journal.Journal, work: Plan) -> None:
    if work.derived:
        log.mark("derive")
    for item in work.derived:
        activate.derive(engine, item)


class _Failed(Exception):
    """What was applied does not work; `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _prove(
    engine: Engine,
    log: journal.Journal,
    target: Target,
    state: State,
    work: Plan,
    seen: Observed,
    probe: Probe | None,
) -> tuple[Proof, str]:
    """See to the services and look whether mail flows.

    Where it worked before, a failure is the change's fault and raises _Failed. Where it never did, going
    back would not help: the failure is remembered, and the next apply goes on from here.
    """
    has_before = state.current > 0 and target.number != 0
    try:
        quiet = [change.what for change in work.changes if change.kind == "unit"]
        if quiet:
            engine.machine.quiet(quiet)
        activate.services(engine, log, work, seen)
    except Interrupted:
        raise
    except PosthouseError as error:
        if has_before and state.proof != "no":
            raise _Failed(str(error)) from error
        return "no", str(error)
    if target.number == 0:
        return "skipped", ""
    if probe is None or not work.changes:
        same = not work.changes or target.number == state.current
        return (state.proof, state.doubt) if same else ("skipped", "")
    engine.step("probe")
    reason = probe()
    if reason is not None and has_before and state.proof == "yes" and target.number is None:
        raise _Failed(reason)
    return ("yes", "") if reason is None else ("no", reason)


def _state_after(state: State, target: Target, work: Plan, number: int, proof: Proof, doubt: str) -> State:
    put: dict[str, Put] = {}
    kept = {item.path for item in work.drift} - {goal.path for goal in work.goals}
    for file in target.blueprint.files:
        new = wanted(file).put
        assert new is not None
        put[str(file.path)] = state.put[str(file.path)] if file.path in kept else new
    return State(number, proof, doubt, put)


def _taken_back(engine: Engine, target: Target, state: State, error: Exception) -> Exception:
    """Undo, and return the error to raise."""
    engine.note("taking back what was begun")
    try:
        trouble = recover(engine)
    except (OSError, PosthouseError) as second:
        return PosthouseError(
            f"{error}\nWhat was begun could not be taken back either: {second}",
            "Mend that; the next `posthouse apply` takes it back first.",
        )
    where = f"generation {state.current}" if state.current else "the machine as it was found"
    after = f"taken back: {where} is back" + "".join(f"\n  but: {text}" for text in trouble)
    if isinstance(error, Interrupted):
        return Interrupted(f"{error.message}; {after}", "Say it again when you like.")
    if isinstance(error, _Failed):
        if target.number is None:
            verdict.reject(engine, target.inputs, error.reason)
        hint = "posthouse.toml stays as you wrote it; correct it, and say `posthouse apply` again"
        return NotApplied(f"{error.reason}\n{after}", hint)
    if isinstance(error, PosthouseError):
        return NotApplied(f"{error.message}\n{after}", error.hint)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return NotApplied(f"{place}{error.strerror or error}\n{after}")
    return error
