"""`posthouse status`: say what runs, and what is wrong."""

from __future__ import annotations

import click

from posthouse.cli import _output

_WORDS = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "failure": ("FAILED", "red"),
    "unknown": ("unknown", "dim"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Show how the mail service stands. Changes nothing. Exit status 1 if something is wrong.

    JSON: {"ok", "items": [{"name", "state", "detail", "mend"}]}; state is ok, warning, failure or unknown.
    """
    from posthouse.ops import context
    from posthouse.ops import status as ops

    found = ops.look(context.base())
    if as_json:
        _output.emit_json(found.as_json())
        return 0 if found.ok else 1
    width = max(len(item.name) for item in found.items)
    for item in found.items:
        word, colour = _WORDS[item.state]
        mend = f"  [{item.mend}]" if item.mend and item.state != "ok" else ""
        _output.emit(f"{item.name.ljust(width)}  {_output.style(word.ljust(7), colour)}  {item.detail}{mend}")
    wrong = sum(item.state == "failure" for item in found.items)
    if wrong:
        _output.emit(f"\n{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
    return 0 if found.ok else 1
