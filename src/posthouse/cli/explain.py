"""`posthouse explain`: where a line of a daemon's file comes from."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.argument("what", metavar="FILE:SETTING")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(what: str, as_json: bool) -> None:
    """Say which field of the site file, override or reason a setting comes from, and its value.

    FILE is a path or its end (main.cf); SETTING a name, inside blocks as block/name.

    JSON: {"settings": [{"file", "setting", "value", "origin"}]}.
    """
    from posthouse.ops import context
    from posthouse.ops import explain as ops

    found = ops.explain(context.load().blueprint, what)
    if as_json:
        rows = [
            {"file": item.file, "setting": item.setting, "value": item.value, "origin": item.origin}
            for item in found
        ]
        _output.emit_json({"settings": rows})
        return
    for item in found:
        _output.emit(f"{item.file}: {item.setting}" + ("" if item.value is None else f" = {item.value}"))
        _output.emit(f"    {item.origin}")
