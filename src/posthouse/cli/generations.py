"""`posthouse generations`: what was applied, and when."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def generations(as_json: bool) -> None:
    """List what was applied, and when. Number 0 is the machine as it was found.

    JSON: {"current", "proof" ("yes", "no", "skipped"), "generations": [{"number", "when", "why", "platform",
    "version", "packages": {name: version}}]}.
    """
    _output.require_root()
    from posthouse import paths
    from posthouse.engine import generations as engine
    from posthouse.engine.store import Store

    store = Store(paths.ENGINE)
    state = store.state()
    labels = [engine.load(store, number) for number in engine.numbers(store)]
    if as_json:
        found: dict[str, object] = {
            "number": 0,
            "when": None,
            "why": "as found",
            "platform": None,
            "version": None,
            "packages": {},
        }
        rows = [found, *(label.__dict__ for label in labels)]
        _output.emit_json({"current": state.current, "proof": state.proof, "generations": rows})
        return
    lines = [(0, None, "the machine as it was found", None)]
    lines += [(label.number, label.when, label.why, label.platform) for label in labels]  # type: ignore[misc]
    marked = [("*" if line[0] == state.current else " ", *line) for line in lines]
    _output.emit(_output.table(marked, ("", "number", "when", "why", "made for")))
