"""Make a plan true: journal, files by rename, derived files, services in order, readiness.

Everything that can fail for want of space or rights comes first, while nothing has changed: the new files
are laid beside their places and the old ones kept by hard links. After that there are only renames.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable
from pathlib import Path

from posthouse.engine.core import Engine, NotApplied
from posthouse.engine.goal import Goal
from posthouse.engine.goals import edit_of
from posthouse.engine.journal import Journal
from posthouse.engine.observe import Observed, at, file_states
from posthouse.engine.plan import Plan, Work
from posthouse.engine.store import sync_folder
from posthouse.errors import PosthouseError
from posthouse.host import swap
from posthouse.resources import Derived, File


def lay(engine: Engine, plan: Plan, observed: Observed) -> None:
    """Write all new files beside their places and keep the old ones. Nothing has changed yet.

    Raises:
        NotApplied: no space, no such owner, a folder in the way, or somebody edited a file meanwhile.
    """
    root = engine.machine.root
    for goal in plan.goals:
        path = at(root, goal.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if goal.link is not None:
                swap.lay_link(path, goal.link)
            elif goal.content is not None:
                swap.lay(path, goal.content, goal.owner, goal.group, goal.mode, goal.attributes)
            engine.step("lay")
            if observed.files[goal.path] is not None:
                swap.keep(path)
        except (OSError, LookupError) as error:
            raise _not_laid(goal, error) from error
        engine.step("keep")
    for folder in _folders(root, plan.goals):
        sync_folder(folder)
    now = file_states(root, [goal.path for goal in plan.goals])
    for goal in plan.goals:
        if edit_of(now[goal.path]) != edit_of(observed.files[goal.path]):
            raise NotApplied(f"{goal.path} was changed meanwhile by somebody else; nothing was changed")


def _not_laid(goal: Goal, error: Exception) -> NotApplied:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "make room (`df -h` shows where), then say it again" if full else None
    return NotApplied(f"cannot write {goal.path}: {why}; no file was changed", hint)


def switch(engine: Engine, plan: Plan) -> None:
    """Rename every new file into its place, and take away what shall not be there. OSError."""
    root = engine.machine.root
    for goal in plan.goals:
        path = at(root, goal.path)
        if goal.content is None:
            path.unlink(missing_ok=True)
        else:
            swap.switch(path)
        engine.step("switch")
    for folder in _folders(root, plan.goals):
        sync_folder(folder)


def _folders(root: Path, goals: Iterable[Goal]) -> set[Path]:
    return {at(root, goal.path).parent for goal in goals}


def derive(engine: Engine, item: Derived) -> None:
    """Make a derived file. PosthouseError with what its program said."""
    done = engine.machine.run(item.argv, {})
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise PosthouseError(f"cannot make {item.path} with `{' '.join(item.argv)}`: " + "\n  ".join(said))
    engine.step("derived")


def noted(engine: Engine, files: Iterable[File], changed: Collection[Path]) -> None:
    """Have the machine take note of changed files (`File.live`); what cannot be done is said."""
    argvs = dict.fromkeys(file.live for file in files if file.live and file.path in changed)
    for argv in argvs:
        done = engine.machine.run(argv, {})
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
            engine.note(f"`{' '.join(argv)}`: {said}; the rest goes on")


def stops(engine: Engine, journal: Journal, plan: Plan, observed: Observed) -> None:
    """Stop what shall not run, the last first, while the files that it stops by are still there.

    What outlasts the others is left to `services`. PosthouseError where one does not stop.
    """
    for work in reversed(plan.work):
        if work.verb == "stop" and not _comes_last(work):
            _marked(engine, journal, work, observed)


def services(engine: Engine, journal: Journal, plan: Plan, observed: Observed) -> None:
    """Have the manager read its configuration again, then start, restart and reload in order; await each.

    At the end what the others asked until now is stopped, so that they never ask in vain.

    Raises:
        PosthouseError: one does not do as it is told, or does not answer; the others after it are untouched.
    """
    last = [work for work in plan.work if _comes_last(work)]
    others = [work for work in plan.work if work.verb != "stop" and work not in last] + last
    if others or plan.goals:
        journal.mark("service", "")  # even a changed unit alone must be read again by an undo
        engine.machine.configure()
        engine.step("configured")
    for work in others:
        _marked(engine, journal, work, observed)


def _comes_last(work: Work) -> bool:
    return work.service.outlasts and (work.verb == "stop" or work.enable is False)


def _marked(engine: Engine, journal: Journal, work: Work, observed: Observed) -> None:
    there = observed.units[work.service.name]
    journal.mark(
        "service",
        work.service.name,
        running=there.running,
        enabled=there.enabled,
        verb=work.verb,
        enable=work.enable,
    )
    engine.step("service")
    take_step(engine, work)
    engine.step("service done")


def take_step(engine: Engine, work: Work) -> None:
    """Do to one service what its work says, and wait until it answers. PosthouseError."""
    service, machine = work.service, engine.machine
    if work.enable:
        machine.enable(service)
    if work.verb is not None:
        engine.note(f"{work.verb} {service.name}")
    if work.verb == "start":
        machine.start(service)
    elif work.verb == "restart":
        machine.restart(service)
    elif work.verb == "reload":
        machine.reload(service)
    elif work.verb == "stop":
        machine.stop(service)
    if work.enable is False:
        machine.disable(service)
    if work.verb in ("start", "restart", "reload"):
        machine.wait_ready(service, engine.ready_seconds)
