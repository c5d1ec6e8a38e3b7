"""`posthouse password ADDRESS`: set an account's password. The old one is refused from the next login on."""

from __future__ import annotations

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.directory import accounts
from posthouse.errors import UsageError


@click.command()
@click.argument("address")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin, one line.")
@click.option("--password-fd", type=int, metavar="N", help="Read the password from a file descriptor.")
@click.option("--generate", is_flag=True, help="Make a strong password and show it once.")
def password(address: str, password_stdin: bool, password_fd: int | None, generate: bool) -> None:
    """Set an account's password, asked for twice without echo."""
    from posthouse.directory import passwords, verifiers

    found = directory.reading(lambda connection: accounts.get(connection, address))  # before asking
    if generate and (password_stdin or password_fd is not None):
        raise UsageError("--generate makes a password, and another one was given.", "Take one of the two.")
    chosen = passwords.generate() if generate else _output.read_password(stdin=password_stdin, fd=password_fd)
    hashed, made = passwords.hash(chosen), _directory.verifiers(chosen)

    def work(connection: directory.Connection) -> None:
        accounts.set_password(connection, found.address, hashed)
        verifiers.put(connection, found.address, made)

    directory.writing(work)
    _output.note(f"{found.address} has a new password")
    if generate:
        _output.emit(chosen)
