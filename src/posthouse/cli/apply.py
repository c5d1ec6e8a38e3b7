"""`posthouse apply`: make the machine what the site file says."""

from __future__ import annotations

import re

import click

from posthouse.cli import _output
from posthouse.errors import UsageError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class _Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.2
    name = "10m"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        match = re.fullmatch(r"([1-9]\d{0,5})([smh]?)", str(value))
        if match is None:
            self.fail(f"expected a time as 90s, 10m or 1h, found {value!r}", param, ctx)
        return float(int(match[1]) * _UNITS[match[2]])


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--plan", "digest", metavar="DIGEST", help="Only if the plan is still the one with this digest."
)
@click.option("--confirm", type=_Duration(), help="Take it back after this time unless --confirmed comes.")
@click.option("--confirmed", is_flag=True, help="Keep what `apply --confirm` applied.")
@click.option("--no-probe", is_flag=True, help="Send no mail to prove it.")
@click.option("--take-back", is_flag=True, hidden=True, help="Wait until the time of --confirm is over.")
def apply(
    yes: bool, digest: str | None, confirm: float | None, confirmed: bool, no_probe: bool, take_back: bool
) -> int:
    """Make the machine what the site file says: shows the plan, asks, checks, applies, proves.

    What fails is taken back. Exit status: 0 applied or nothing to do, 1 not applied (or not proven), 2 the
    call or the site file is wrong.
    """
    _output.require_root()
    from posthouse.ops import confirm as confirming
    from posthouse.ops import context

    if take_back:
        confirming.wait(context.base().engine, context.base)
        return 0
    if confirmed:
        return _confirm()
    from posthouse.engine import show
    from posthouse.ops import apply as ops
    from posthouse.ops import move
    from posthouse.ops import plan as planning

    move.settle(context.base(), _output.note)
    now = context.load()
    made = planning.plan(now)
    if digest is not None and digest != made.digest:
        raise UsageError(
            f"the plan {digest} no longer fits the machine: now it would be {made.digest}",
            "Read `posthouse plan` again.",
        )
    if made.changes or made.drift or made.notes:
        _output.note(show.render_text(made, diffs=not yes))
    if made.changes:
        ops.check_served(now.site)
        _output.confirm("Apply this.", yes)
    outcome = ops.apply(
        now,
        why="apply",
        digest=made.digest if digest or not yes else None,
        confirm_seconds=confirm,
        prove=False if no_probe else None,
        note=_output.note,
    )
    for copy in outcome.kept:
        _output.note(f"a copy of what was overwritten: {copy}")
    if not outcome.changed:
        _output.emit(
            f"Nothing to do: the machine is in generation {outcome.generation}. Nothing was restarted."
        )
    else:
        _output.emit(f"Applied: the machine is in generation {outcome.generation}.")
    if confirm is not None:
        _output.emit(f"Taken back in {confirm:g} seconds, unless you say: posthouse apply --confirmed")
    return 0


def _confirm() -> int:
    from posthouse.ops import confirm as confirming
    from posthouse.ops import context
    from posthouse.ops.alone import alone

    base = context.base().telling(_output.note)
    with alone(base.engine):
        if confirming.take_back_if_due(base):
            raise UsageError("The time was over: it was taken back.", "Say `posthouse apply` again.")
        confirming.confirm(base)
    _output.emit(f"Confirmed: generation {base.engine.store.state().current} stays.")
    return 0
