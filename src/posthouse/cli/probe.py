"""`posthouse probe`: send real mail through every port, and read it."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--dialogue", is_flag=True, help="Show what client and server said.")
def probe(as_json: bool, dialogue: bool) -> int:
    """Prove that mail flows: in on port 25, submitted on 587 and 465, read over IMAP and POP3, DKIM verified.

    Also logs in by ManageSieve. A protocol that an override takes from Dovecot is left out.
    Uses a hidden account of its own, and removes its messages. Exit status: 0 mail flows, 1 it does not.

    JSON: {"when", "ok", "steps": [{"name", "ok", "detail", "seconds", "dialogue"}]}.
    """
    _output.require_root()
    from posthouse.ops import context
    from posthouse.ops import probe as ops

    report = ops.probe(context.load(), _output.note if as_json else _silent, dialogue=dialogue)
    if as_json:
        _output.emit_json(report.as_json())
        return 0 if report.ok else 1
    for step in report.steps:
        word = _output.style("ok", "green") if step.ok else _output.style("FAILED", "red")
        _output.emit(f"{step.name}: {word} ({step.seconds:.2f} s): {step.detail}")
        for line in step.dialogue:
            _output.emit(f"    {line}")
    seconds = sum(step.seconds for step in report.steps)
    failed = len(report.failures)
    _output.emit(
        f"Mail flows ({seconds:.1f} s)." if report.ok else f"Mail does not flow: {failed} steps failed."
    )
    return 0 if report.ok else 1


def _silent(text: str) -> None:
    """The steps are the result itself, and printed at the end."""
