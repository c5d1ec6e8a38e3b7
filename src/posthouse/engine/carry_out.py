"""Carry a plan out: stage and check, journal, files, derived files, services, probe, commit; or take it back.

Up to the journal nothing that is managed has changed; from there on whatever fails is undone from it.
"""

from __future__ import annotations

from pathlib import Path

from posthouse.engine import activate, drift, generations, journal, stage, verdict
from posthouse.engine.core import Engine, Interrupted, NotApplied
from posthouse.engine.generations import Generation
from posthouse.engine.goals import wanted
from posthouse.engine.observe import Observed
from posthouse.engine.plan import Before, Plan
from posthouse.engine.signals import held
from posthouse.engine.store import Proof, Put, State
from posthouse.engine.target import Outcome, Probe, Target
from posthouse.engine.undo import clear, recover
from posthouse.errors import PosthouseError


def carry_out(
    engine: Engine,
    target: Target,
    start: Before,
    first: Plan,
    work: Plan,
    seen: Observed,
    number: int,
    probe: Probe | None,
) -> Outcome:
    """Check a plan in the stage and make it true, or leave the machine as it was.

    Args:
        engine: the surroundings.
        target: what the plan aims at.
        start: what it starts from.
        first: the plan as it was before packages and folders were made, for the outcome.
        work: the plan to carry out.
        seen: what it stands on.
        number: the generation that will be current; 0 with a target without a number: a new one.
        probe: looks whether mail flows; None: nobody looks.

    Raises:
        NotApplied, Interrupted: nothing has changed, or it is taken back.
    """
    root, store = engine.machine.root, engine.store
    outside = {goal.path for goal in target.extra}
    ours = {Path(name) for name in start.state.put} | {item.path for item in start.blueprint.derived}
    writes = [goal.path for goal in work.goals] + [item.path for item in work.derived]
    # A file that is as wanted already becomes ours too: going back to 0 must not take it away.
    managed = [file.path for file in target.blueprint.files]
    fresh = [path for path in dict.fromkeys((*managed, *writes)) if path not in ours]
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
        files = (*target.blueprint.files, *start.blueprint.files)
        activate.noted(engine, files, {goal.path for goal in work.goals})
        _derive(engine, log, work)
        proof, doubt = _prove(engine, log, target, start.state, work, seen, probe)
        store.write_state(_state_after(start.state, target, work, number, proof, doubt))
        engine.step("state")
        log.mark("commit")
    except (Exception, Interrupted) as error:
        raise _taken_back(engine, target, start.state, error) from error
    with held():
        engine.step("commit")
        clear(root, [goal.path for goal in work.goals])
        log.close()
    verdict.forget(engine, target.inputs)
    if label:
        _prune(engine)
    return Outcome(number, first, True, doubt, tuple(kept))


def _prune(engine: Engine) -> None:
    """Let the oldest generations go. What was applied stands, whatever becomes of that."""
    try:
        generations.prune(engine.store, engine.step)
    except (OSError, PosthouseError) as error:
        engine.note(f"could not remove the oldest generations: {error}")


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
        activate.services(engine, log, work, seen)
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


def _taken_back(engine: Engine, target: Target, state: State, error: BaseException) -> BaseException:
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
        engine.note(f"{error}; {after}")
        return Interrupted(f"{error}; {after}", error.number, undone=True)
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
