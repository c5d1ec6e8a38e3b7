"""`posthouse directory`: where domains, accounts and aliases live, and moving them to another database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

import click

from posthouse.cli import _directory, _output

_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@click.group()
def directory() -> None:
    """Show where domains, accounts and aliases live, and move them: SQLite or PostgreSQL."""


@directory.command()
@_directory.JSON
def show(as_json: bool) -> int:
    """Show which database the directory is, and how much is in it. Exit status 1 if it cannot be asked.

    JSON: {"backend", "where", "version", "schema", "domains", "accounts", "aliases", "grants", "problem",
    "move_under_way"}; what cannot be known is null.
    """
    from posthouse.ops import move

    found = move.show()
    if as_json:
        _output.emit_json(asdict(found))
        return 0 if found.problem is None else 1
    _output.emit(f"{found.backend}: {found.where}")
    if found.problem is not None:
        _output.emit(f"it cannot be asked now: {found.problem}")
    else:
        _output.emit(
            f"{_NAMES[found.backend]} {found.version}, schema {found.schema}: {found.domains} domains,"
            f" {found.accounts} accounts, {found.aliases} aliases, {found.grants} grants"
        )
    if found.move_under_way:
        _output.emit("A move was cut off: say `posthouse directory move` again, with the end that you want.")
    return 0 if found.problem is None else 1


@directory.command()
@click.argument("to", type=click.Choice(["sqlite", "postgresql"]))
@click.option("--url", help="PostgreSQL elsewhere: postgresql://ROLE@HOST:5432/DATABASE.")
@click.option("--password-file", help="The file, for root only, with the password of its role.")
@_directory.YES
def move(to: Literal["sqlite", "postgresql"], url: str | None, password_file: str | None, yes: bool) -> None:
    """Move everything to SQLite, or to PostgreSQL, while mail flows. Shows what it will do, and asks.

    Changes to accounts are refused while it copies; mail is not. Cut off anywhere, it goes on when it is said
    again; what fails is moved back.
    """
    _output.require_root()
    from posthouse.ops import context
    from posthouse.ops import move as ops

    base = context.base()
    wanted = ops.plan(base, to, url, password_file)
    _output.note("\n".join(wanted.lines))
    _output.confirm("Move it.", yes)
    outcome = ops.move(base, wanted, _output.note)
    found = ops.show()
    _output.emit(
        f"Moved: the directory is in {found.where} ({found.domains} domains, {found.accounts} accounts,"
        f" {found.aliases} aliases); generation {outcome.generation}."
    )


@directory.command()
@_directory.JSON
def passwords(as_json: bool) -> None:
    """Show the passwords of PostgreSQL's roles mailreader and mailwriter on this host; for root.

    They come in at localhost: psql -h localhost -U mailwriter mails. JSON: {ROLE: PASSWORD}.
    """
    _output.require_root()
    from posthouse.errors import UsageError
    from posthouse.ops import database

    found = database.passwords()
    if as_json:
        _output.emit_json(found)
        return
    if not found:
        raise UsageError(
            "Posthouse has made no such roles on this host.", "They come with PostgreSQL on this host."
        )
    for role, password in sorted(found.items()):
        _output.emit(f"{role.ljust(12)}{password}")
