"""Back to an earlier generation, or to the machine as it was found."""

from __future__ import annotations

from collections.abc import Callable

from posthouse import paths
from posthouse.engine import apply as engine_apply
from posthouse.engine import rollback as engine_rollback
from posthouse.engine.plan import Plan
from posthouse.engine.target import Outcome, Target
from posthouse.errors import UsageError
from posthouse.ops import confirm
from posthouse.ops.alone import alone
from posthouse.ops.apply import NotProven, probe
from posthouse.ops.context import Base
from posthouse.ops.release import pending

Note = Callable[[str], None]


def target(base: Base, number: int) -> Target:
    """Return what going back means. UsageError where there is no such generation."""
    return engine_rollback.target(
        base.engine, number, base.platform, base.render, home=confirm.HOME, present=base.inputs
    )


def plan(base: Base, number: int) -> Plan:
    """Return what going back would change. Changes nothing on the machine."""
    return engine_apply.plan(base.engine, target(base, number))


def rollback(base: Base, number: int, *, note: Note, digest: str | None = None) -> Outcome:
    """Go to a generation: its files, its site file and overrides.

    Raises:
        NotApplied: refused or taken back; the machine is as it was.
        NotProven: it is in place, and a service does not run.
        UsageError: there is no such generation.
    """
    base = base.telling(note)
    with alone(base.engine):
        pending.refuse(base.engine.store)
        aim = target(base, number)
        if number:
            _same_directory(base, aim, number)
        probing = probe(base.site(aim.inputs), note) if number else None
        outcome = engine_apply.apply(base.engine, aim, digest=digest, probe=probing)
        confirm.disarm(base)
    if outcome.doubt:
        raise NotProven(f"generation {number} is in place, but: {outcome.doubt}")
    return outcome


def _same_directory(base: Base, aim: Target, number: int) -> None:
    """UsageError where the directory is another database now than it was: what is in it is never rolled back."""
    from posthouse.ops import database

    then, now = database.place(base.site(aim.inputs)), database.in_use()
    if now is not None and then != now:
        raise UsageError(
            f"generation {number} has the directory in {database.named(then)}, and it is in"
            f" {database.named(now)} now",
            f"Move it first, with all that is in it: {database.move_command(then)}",
        )


def site_copies() -> list[str]:
    """Return the copies of operators' files that rollbacks left beside them, the newest last."""
    return sorted(str(path) for path in paths.ETC.glob("*.before-rollback-*"))
