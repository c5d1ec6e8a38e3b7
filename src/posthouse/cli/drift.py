"""`posthouse drift`: edits made by hand."""

from __future__ import annotations

from pathlib import Path

import click

from posthouse.cli import _output

_PATH = click.argument("path", type=click.Path(path_type=Path))
_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@_JSON
@click.pass_context
def drift(ctx: click.Context, as_json: bool) -> None:
    """Show, adopt or discard edits made by hand.

    JSON: {"drift": [{"path", "what", "managed", "diff"}]}.
    """
    _output.require_root()
    if ctx.invoked_subcommand is None:
        _show(None, as_json)


@drift.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@_JSON
def show(path: Path | None, as_json: bool) -> None:
    """Show all edits, or that of one file, as diffs; secrets are masked."""
    _show(path, as_json)


def _show(path: Path | None, as_json: bool) -> None:
    from posthouse.engine import drift as engine
    from posthouse.engine.show import drift_json
    from posthouse.errors import PosthouseError
    from posthouse.ops import context
    from posthouse.ops import drift as ops

    base = context.base()
    found = ops.seen(base) if path is None else [engine.at_path(base.engine, path)]
    shown = []
    for item in found:
        try:
            shown.append((item, ops.diff(base, item)))
        except PosthouseError as error:
            shown.append((item, str(error)))
    if as_json:
        _output.emit_json({"drift": [drift_json(item) | {"diff": diff} for item, diff in shown]})
        return
    for item, diff in shown:
        _output.emit(f"{item.path}: {item.what}" + (f"\n{diff}" if diff else ""))
    if not shown:
        _output.emit("No file was changed by hand.")


@drift.command()
@_PATH
@_YES
def adopt(path: Path, yes: bool) -> None:
    """Move the edit of PATH into the overrides, so that it stays."""
    from posthouse.engine import drift as engine
    from posthouse.ops import context
    from posthouse.ops import drift as ops

    base = context.base()
    engine.at_path(base.engine, path)  # nothing to ask where there is no edit
    _output.confirm(f"Move the edit of {path} into the overrides.", yes)
    override = ops.adopt(base, path, _output.note)
    _output.emit(f"Adopted into {override}. `posthouse apply` puts {path} in order.")


@drift.command()
@_PATH
@_YES
def discard(path: Path, yes: bool) -> None:
    """Put the file of the current generation back at PATH; a copy of the edit is kept."""
    from posthouse.engine import drift as engine
    from posthouse.ops import context
    from posthouse.ops import drift as ops

    base = context.base()
    engine.at_path(base.engine, path)
    _output.confirm(f"Put {path} back as posthouse left it.", yes)
    outcome = ops.discard(base, path, _output.note)
    for copy in outcome.kept:
        _output.note(f"a copy of the edit: {copy}")
    _output.emit(f"Discarded: {path} is as generation {outcome.generation} has it.")
