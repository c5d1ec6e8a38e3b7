"""`posthouse import`: take in accounts and mail from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from posthouse.cli import _output, import_mail

if TYPE_CHECKING:
    from posthouse.imports.accounts import Plan
    from posthouse.imports.people import People

_SHOWN = 20  # rows of a plan


@click.group("import")
def import_() -> None:
    """Take in accounts and mail from elsewhere."""


def _choices(function: Callable[..., None]) -> Callable[..., None]:
    """The options of both lists of accounts."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing."),
        click.option("--add-domains", is_flag=True, help="Add the mail domains that are not here yet."),
        click.option(
            "--update", is_flag=True, help="Set what the file says on accounts that are here already."
        ),
        click.option(
            "--skip-existing", is_flag=True, help="Leave accounts that are here already as they are."
        ),
        click.option(
            "--encoding", metavar="NAME", help="Of the file, such as windows-1252 [UTF-8, or its mark]."
        ),
    ):
        function = option(function)
    return function


@import_.command()
@click.argument("file")
@click.option(
    "--separator", type=click.Choice([",", ";", "tab"]), help="Between cells [as in the header line]."
)
@_choices
def accounts(file: str, separator: str | None, encoding: str | None, **how: bool) -> None:
    """Add the accounts of a table: a CSV FILE with a header line; "-" is stdin.

    Columns: address, password or password_hash, realname, quota, active, aliases. Everything that is wrong is
    told at once, by line; nothing is imported unless all is right.

    JSON: {"domains", "added", "changed", "skipped", "unchanged", "aliases"}, lists of names.
    """
    from posthouse.imports import csv_file, text_file

    text = text_file.read(file, encoding)
    sign = "\t" if separator == "tab" else separator
    _import(csv_file.parse(text, text_file.shown(file), sign), **how)


@import_.command()
@click.argument("passwd_file")
@click.argument("virtual_file", required=False)
@click.option("--domain", metavar="NAME", help="Of names that stand there without one.")
@_choices
def passwd(
    passwd_file: str, virtual_file: str | None, domain: str | None, encoding: str | None, **how: bool
) -> None:
    """Add the accounts of a Dovecot passwd-file, and the aliases of a Postfix virtual alias file.

    Hashes are kept as they are. User numbers, homes and shells are left behind. JSON: as of `import accounts`.
    """
    from posthouse.errors import UsageError
    from posthouse.imports import passwd_file as passwds
    from posthouse.imports import text_file
    from posthouse.imports import virtual_file as virtuals

    if passwd_file == virtual_file == "-":  # noqa: S105 - stdin
        raise UsageError("stdin cannot be both files.", "Name one of them.")
    people = passwds.parse(text_file.read(passwd_file, encoding), text_file.shown(passwd_file), domain)
    if virtual_file is not None:
        text = text_file.read(virtual_file, encoding)
        people += virtuals.parse(text, text_file.shown(virtual_file), domain)
    _import(people, **how)


def _import(
    people: People,
    skip_existing: bool,
    update: bool,
    add_domains: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from posthouse import directory
    from posthouse.cli import _directory
    from posthouse.cli._progress import progress
    from posthouse.errors import UsageError
    from posthouse.imports import accounts as importing

    if skip_existing and update:
        raise UsageError("--skip-existing and --update were both given.", "Take one of the two.")
    existing = importing.Existing
    wanted = existing.SKIP if skip_existing else existing.UPDATE if update else existing.REFUSE
    policy = _policy(wanted, add_domains)
    plan = directory.reading(lambda connection: importing.plan(connection, people, policy))
    for note in people.notes:
        _output.note(note)
    if not as_json:
        _show(plan)
    if not (dry_run or plan.empty):
        _output.confirm("This is done at once, all of it or nothing.", yes)
        mechanisms = _directory.mechanisms()
        with progress("Hashing passwords", len(plan.to_hash)) as advance:
            hashes = importing.hash_passwords(plan.to_hash, mechanisms, advance)
        directory.writing(lambda c: importing.carry_out(c, people, policy, plan, hashes))
        _keys(plan)
    if as_json:
        _output.emit_json(plan.as_dict())
    elif dry_run:
        _output.note("Nothing was done.")
    elif not plan.empty:
        _output.note("All of it is here, and live.")


def _policy(existing: Any, add_domains: bool) -> Any:
    from posthouse.cli import _directory
    from posthouse.directory.queries import BUILTIN, Names
    from posthouse.imports.accounts import Policy

    site = _directory.site()
    if site is None:
        return Policy(existing, add_domains, BUILTIN)
    names = Names.of(site)
    return Policy(existing, add_domains, names.builtin, names.local, site.hostname, names.postmaster)


def _keys(plan: Plan) -> None:
    """Make the DKIM keys of new domains now; the agent would do it at its next look."""
    from posthouse.dkim import keys

    for name in plan.domains:
        keys.ensure(name)
        _output.note(f"{name} is here; publish its DNS records: posthouse dns show {name}")


def _show(plan: Plan) -> None:
    from posthouse.imports.hashes import is_weak

    no_login = [p for p in plan.add if p.password is None and p.password_hash is None]
    weak = [p.address for p in (*plan.add, *plan.change) if p.password_hash and is_weak(p.password_hash)]
    parts = (
        ("domains to add", plan.domains),
        ("accounts to add", [person.address for person in plan.add]),
        ("    passwords to hash", [person.address for person in plan.to_hash]),
        ("    without a password: nobody can log in", [person.address for person in no_login]),
        ("    with hashes too weak for Debian 13, where they let nobody in", weak),
        ("accounts to change", [person.address for person in plan.change]),
        ("accounts left as they are", plan.skipped),
        ("accounts that are so already", plan.unchanged),
        ("aliases to add", [f"{address} → {target}" for address, target in plan.aliases]),
    )
    for what, names in parts:
        if names:
            more = len(names) - _SHOWN
            tail = f" and {more:,} more" if more > 0 else ""
            _output.emit(f"{len(names):,} {what}: {', '.join(names[:_SHOWN])}{tail}")
    if plan.empty:
        _output.emit("Nothing to do.")


for _command in (import_mail.imap, import_mail.mbox, import_mail.maildir):
    import_.add_command(_command)
