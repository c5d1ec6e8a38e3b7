"""`posthouse relay login`: logins at smart hosts, for `credentials = "directory"` of the site file.

JSON of `list`: [{"name", "username", "created" (UTC), "used_for": [sentences]}]; the passwords are never shown.
"""

from __future__ import annotations

import click

from posthouse.cli import _directory, _output


@click.group()
def relay() -> None:
    """Keep logins at smart hosts in the directory."""


@relay.group()
def login() -> None:
    """Set, list and remove logins at smart hosts."""


@login.command("set")
@click.argument("name")
@click.option("--username", required=True, metavar="TEXT", help="Whom to log in as there.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin, one line.")
@click.option("--password-fd", type=int, metavar="N", help="Read the password from a file descriptor.")
def set_(name: str, username: str, password_stdin: bool, password_fd: int | None) -> None:
    """Keep a login, or change it; the password is asked for twice without echo.

    NAME is the smart host's name, or the domain of a [[relay.route]] that has a login of its own. Where mail leaves by
    it, what waits is tried again at once.
    """
    from posthouse.ops import relay_login

    _output.require_root()
    name, username = relay_login.checked(name, username)  # before asking
    password = _output.read_password(stdin=password_stdin, fd=password_fd)
    used = relay_login.put(name, username, password, _output.note)
    _output.note(f"The login of {name} is kept")
    if not used:
        _output.note('No mail leaves by it: that takes credentials = "directory" in [relay], and an apply')


@login.command("list")
@_directory.JSON
def list_(as_json: bool) -> None:
    """List logins, never the passwords. JSON: see above."""
    from posthouse.ops import relay_login

    _output.require_root()
    found = relay_login.listed(_directory.site())
    if as_json:
        _output.emit_json([one.as_json() for one in found])
    elif found:
        rows = [(one.name, one.username, one.created, ", ".join(one.used_for) or None) for one in found]
        _output.emit(_output.table(rows, ("NAME", "USERNAME", "SINCE", "USED FOR")))
    else:
        _output.note("There are none; keep one: posthouse relay login set HOST --username NAME")


@login.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a login that no mail leaves by."""
    from posthouse.ops import relay_login

    _output.require_root()
    relay_login.remove(name)
    _output.note(f"The login of {name} is removed")
