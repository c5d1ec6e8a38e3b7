"""`posthouse alias`: addresses that lead to others, here or elsewhere. Live at once; nothing is reloaded.

JSON of an alias: {"address" ("@domain": the catch-all), "targets": [...], "active"}.
"""

from __future__ import annotations

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.directory import aliases
from posthouse.directory.queries import BUILTIN, Names
from posthouse.errors import UsageError


@click.group()
def alias() -> None:
    """Add, list, change and remove aliases."""


@alias.command()
@click.argument("address")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
def add(address: str, targets: tuple[str, ...]) -> None:
    """Add an alias, or targets to one. ADDRESS may be @DOMAIN: what nothing else takes there.

    A mailbox that is given an alias of its own name keeps its copy, and forwards too. A TARGET may be elsewhere:
    what is judged spam is not forwarded there, and goes to the postmaster's Junk.
    """
    builtin = _names(targets)
    made = directory.writing(lambda connection: aliases.add(connection, address, targets, builtin))
    _output.note(f"{made.address} → {', '.join(made.targets)}")


@alias.command("list")
@_directory.DOMAIN
@_directory.JSON
def list_(domain: str | None, as_json: bool) -> None:
    """List the aliases. JSON: a list of aliases."""
    found = directory.reading(lambda connection: aliases.list(connection, domain))
    if as_json:
        _output.emit_json([_directory.as_dict(alias) for alias in found])
    elif found:
        rows = [(a.address, "active" if a.active else "disabled", ", ".join(a.targets)) for a in found]
        _output.emit(_output.table(rows, ("ADDRESS", "STATE", "TARGETS")))
    else:
        _output.note("There are no aliases; add one: posthouse alias add ADDRESS TARGET...")


@alias.command()
@click.argument("address")
@_directory.JSON
def show(address: str, as_json: bool) -> None:
    """Show an alias. JSON: the alias."""
    found = directory.reading(lambda connection: aliases.get(connection, address))
    if as_json:
        _output.emit_json(_directory.as_dict(found))
        return
    _output.emit(f"{found.address}{'' if found.active else ' (disabled)'}")
    for target in found.targets:
        _output.emit(f"  → {target}")


@alias.command()
@click.argument("address")
@click.option("--enable/--disable", "active", default=None, help="Disabled: as if it were not there.")
@click.option("--to", multiple=True, metavar="TARGET", help="Lead to these, and to nothing else.")
def change(address: str, active: bool | None, to: tuple[str, ...]) -> None:
    """Change an alias: its targets, its state."""
    if active is None and not to:
        raise UsageError("Nothing to change was given.", "Give --to TARGET, --enable or --disable.")
    builtin = _names(to) if to else BUILTIN

    def work(connection: directory.Connection) -> aliases.Alias:
        found = aliases.get(connection, address)
        if to:
            aliases.remove(connection, address)
            found = aliases.add(connection, address, to, builtin)
        keep = found.active if active is None else active
        return aliases.change(connection, address, active=keep)

    changed = directory.writing(work)
    _output.note(f"{changed.address} → {', '.join(changed.targets)}{'' if changed.active else ' (disabled)'}")


@alias.command()
@click.argument("address")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@_directory.YES
def remove(address: str, targets: tuple[str, ...], yes: bool) -> None:
    """Remove an alias, or only some targets of it."""
    found = directory.reading(lambda connection: aliases.get(connection, address))
    what = f"The alias {found.address} → {', '.join(targets or found.targets)} is removed."
    _output.confirm(what, yes)
    left = directory.writing(lambda connection: aliases.remove(connection, address, targets))
    rest = f"{left.address} → {', '.join(left.targets)}" if left else f"{found.address} is removed"
    _output.note(rest)


def _names(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the builtin local parts. UsageError where a target is a Unix user of this host."""
    site = _directory.site()
    if site is None:
        return BUILTIN
    names = Names.of(site)
    for target in targets:
        if target.rpartition("@")[2].lower() in names.local:
            raise UsageError(
                f"{target} is a Unix user of this machine, and has no mailbox",
                f"Take an address at a mail domain, such as {site.postmaster}.",
            )
    return names.builtin
