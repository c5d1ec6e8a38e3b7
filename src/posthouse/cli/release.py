"""`posthouse release`: to the next Debian, in place."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.group()
def release() -> None:
    """Take the machine to the next Debian, in place."""


@release.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(as_json: bool) -> int:
    """Look whether the next Debian's daemons take this configuration; changes nothing.

    They are unpacked aside and read what they would get; everything that they refuse is listed. Exit status: 0
    they take it, 1 they do not. JSON: {"from", "to", "problems"}.
    """
    _output.require_root()
    from posthouse.ops import context
    from posthouse.ops.release import look
    from posthouse.ops.release.upgrade import BEFOREHAND

    found = look.look(context.base(), _output.note)
    if as_json:
        _output.emit_json({"from": found.now.debian, "to": found.to.debian, "problems": list(found.problems)})
    elif found.problems:
        _output.emit(f"Debian {found.to.debian} cannot come yet. Its daemons refuse:\n")
        for problem in found.problems:
            _output.emit(f"  {problem}")
    else:
        _output.emit(
            f"Debian {found.to.debian}'s daemons take this configuration: `posthouse release upgrade`.\n"
        )
        _output.emit(BEFOREHAND)
    return 1 if found.problems else 0


@release.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def upgrade(yes: bool) -> None:
    """Upgrade to the next Debian; said again, it goes on where it was cut off.

    First everything but the mail daemons, while mail flows; then these, for some minutes without mail. An upgrade
    of the system that was made by hand is completed.
    """
    _output.require_root()
    from posthouse.ops import context
    from posthouse.ops.release import look, pending
    from posthouse.ops.release import upgrade as ops

    base = context.base()
    if pending.read(base.engine.store) is None:
        to = look.next_of(base)
        _output.note(ops.BEFOREHAND)
        _output.confirm(f"This upgrades the machine to Debian {to.debian}.", yes)
    done = ops.run(_output.note)
    _output.emit(
        f"Debian {done.debian} runs, with its own mail daemons, and mail flows. "
        "`apt autoremove` takes away what is no longer needed; reboot for the new kernel."
    )
