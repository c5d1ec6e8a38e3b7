"""`posthouse rollback`: back to an earlier generation, or to the machine as it was found."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.argument("number", type=click.IntRange(min=0))
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(number: int, yes: bool) -> None:
    """Go to generation NUMBER: its files, its site file and overrides. 0: the machine as it was found.

    Mail, accounts, keys and certificates stay as they are. Edits made by hand give way, and a copy is kept.
    `posthouse rollback` to a higher number, or `posthouse apply`, returns.
    """
    _output.require_root()
    from posthouse.engine import show
    from posthouse.ops import context
    from posthouse.ops import rollback as ops

    base = context.base().telling(_output.note)
    made = ops.plan(base, number)
    if made.changes:
        _output.note(show.render_text(made, diffs=not yes))
        _output.confirm(f"Go back to generation {number}.", yes)
    before = ops.site_copies()
    outcome = ops.rollback(base, number, note=_output.note, digest=None if yes else made.digest)
    for copy in [*map(str, outcome.kept), *(c for c in ops.site_copies() if c not in before)]:
        _output.note(f"a copy of what was overwritten: {copy}")
    if not outcome.changed:
        _output.emit(f"Nothing to do: the machine is in generation {number}. Nothing was restarted.")
        return
    where = f"generation {number}" if number else "the machine as it was found (generation 0)"
    _output.emit(f"Back: {where}. `posthouse apply` or `posthouse rollback NUMBER` returns.")
