"""`posthouse down`: stop the mail service."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def down(yes: bool) -> None:
    """Stop the mail service, now and at the next boot.

    Nothing is removed: files, accounts and mail stay, and other servers try again for some days.
    `posthouse up DOMAIN` or `posthouse apply` starts it again.
    """
    from posthouse.ops import down as ops

    _output.require_root()
    _output.confirm("This stops the mail service; no mail will be taken or read.", yes)
    stopped = ops.down(_output.note)
    if stopped:
        _output.emit(f"Stopped: {', '.join(stopped)}. `posthouse apply` starts the service again.")
    else:
        _output.emit("Nothing was running. `posthouse apply` starts the service.")
