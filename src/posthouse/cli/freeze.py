"""`posthouse user freeze` and `thaw`: an account that somebody else has got into."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.argument("address")
def freeze(address: str) -> None:
    """Bar every login of an account, end its sessions, and hold what it submitted. Mail for it goes on coming."""
    from posthouse.ops import freeze as ops

    _output.require_root()
    held = ops.freeze(address)
    _output.note(f"{address} is frozen; {held} of its messages are held in the queue")


@click.command()
@click.argument("address")
def thaw(address: str) -> None:
    """Take a freeze back: logins work again, and what was held goes on."""
    from posthouse.ops import freeze as ops

    _output.require_root()
    going = ops.thaw(address)
    _output.note(f"{address} can log in again; {going} messages of it go on")
