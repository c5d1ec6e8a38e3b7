"""`posthouse user app-password`: passwords for one program each, with what they are for and when they were used.

JSON of an app password: {"address", "name", "protocols": [...], "created", "last_used", "last_address"}; times are
UTC, null: never.
"""

from __future__ import annotations

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.errors import UsageError


@click.group("app-password")
def app_password() -> None:
    """Add, list and revoke an account's app passwords."""


@app_password.command()
@click.argument("address")
@click.argument("name")
@click.option(
    "--for", "protocols", metavar="LIST", help="Of imap, pop3, smtp, sieve, joined by commas; all of them."
)
def add(address: str, name: str, protocols: str | None) -> None:
    """Make an app password and show it, this once."""
    from posthouse.directory import app_passwords

    wanted = app_passwords.PROTOCOLS if protocols is None else tuple(protocols.replace(" ", "").split(","))
    made, secret = directory.writing(lambda c: app_passwords.add(c, address, name, wanted))
    _output.note(f"{made.address}: {made.name}, for {', '.join(made.protocols)}; it is not shown again")
    _output.emit(secret)


@app_password.command("list")
@click.argument("address")
@_directory.JSON
def list_(address: str, as_json: bool) -> None:
    """List an account's app passwords, never the secrets. JSON: see above."""
    from posthouse.directory import app_passwords

    found = directory.reading(lambda connection: app_passwords.list(connection, address))
    if as_json:
        _output.emit_json([_directory.as_dict(one) for one in found])
    elif found:
        rows = [
            (one.name, ", ".join(one.protocols), one.created, one.last_used or "never", one.last_address)
            for one in found
        ]
        _output.emit(_output.table(rows, ("NAME", "FOR", "CREATED", "LAST USED", "FROM")))
    else:
        _output.note(f"There are none; make one: posthouse user app-password add {address} NAME")


@app_password.command()
@click.argument("address")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All that the account has.")
def revoke(address: str, name: str | None, everything: bool) -> None:
    """Revoke an app password, at once: the account's open sessions end, and other programs log in again."""
    from posthouse.directory import accounts, app_passwords
    from posthouse.ops import freeze

    _output.require_root()
    if everything == (name is not None):
        raise UsageError("Expected either a name or --all.", "posthouse user app-password list ADDRESS")
    names = None if name is None else [name]
    gone = directory.writing(lambda connection: app_passwords.revoke(connection, address, names))
    account = directory.reading(lambda connection: accounts.get(connection, address))
    if gone:
        freeze.end_sessions(account.address)
    _output.note(f"{account.address}: revoked {', '.join(gone) or 'nothing, there were none'}")
