"""`posthouse status`: what needs the operator, what goes on by itself, and what is fine, on one screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from posthouse.cli import _output

if TYPE_CHECKING:
    from posthouse.ops.status import Item

# (states, title, colour), in the order of the screen: what is wrong stands where one looks first
_GROUPS = (
    (("failure", "warning"), "Needs you", "yellow"),
    (("unknown",), "Could not be seen", "dim"),
    (("pending",), "Goes on by itself", "bold"),
    (("ok",), "Fine", "green"),
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Show how the mail service stands: what needs you, with the line to say; what goes on by itself; what is fine.

    Changes nothing. Exit status 1 if something is wrong.

    JSON: {"ok", "items": [{"name", "state", "detail", "mend"}]}; state is ok, pending, warning, failure or unknown.
    """
    from posthouse.ops import context
    from posthouse.ops import status as ops

    found = ops.look(context.base())
    if as_json:
        _output.emit_json(found.as_json())
        return 0 if found.ok else 1
    for line in screen(found.items):
        _output.emit(line)
    return 0 if found.ok else 1


def screen(items: Iterable[Item]) -> list[str]:
    """Return the lines of the screen; nothing of what was found elsewhere can move the cursor."""
    items = list(items)
    width = max((len(item.name) for item in items), default=0)
    lines: list[str] = []
    for states, title, colour in _GROUPS:
        chosen = sorted(
            (item for item in items if item.state in states), key=lambda item: states.index(item.state)
        )
        if not chosen:
            continue
        lines += ["", _output.style(title, "bold", colour)]
        for number, item in enumerate(chosen):
            detail = f"FAILED: {item.detail}" if item.state == "failure" else item.detail
            lines.append(f"  {item.name.ljust(width)}  {_plain(detail)}")
            following = chosen[number + 1].mend if number + 1 < len(chosen) else ""
            if item.mend and item.state != "ok" and item.mend != following:  # said once for several
                lines.append(f"  {' ' * width}  > {_plain(item.mend)}")
    if not any(item.state in ("failure", "warning") for item in items):
        lines += ["", "Nothing needs you."]
    return lines[1:]


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
