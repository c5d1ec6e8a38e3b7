"""`posthouse plan`: what apply would change."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with status 3 when there is something to do.")
@click.option("--no-diff", is_flag=True, help="Leave the diffs out.")
def plan(as_json: bool, exit_code: bool, no_diff: bool) -> int:
    """Show what apply would change. Changes nothing.

    JSON: {"digest", "changes": [{"kind", "what", "action", "reason", "diff"}], "drift": [{"path", "what",
    "managed"}], "notes"}.
    """
    _output.require_root()
    from posthouse.engine import show
    from posthouse.ops import context
    from posthouse.ops import plan as ops

    made = ops.plan(context.load())
    if as_json:
        _output.emit_json(show.to_json(made))
    else:
        _output.emit(show.render_text(made, diffs=not no_diff))
    return 3 if exit_code and made.changes else 0
