"""`posthouse user`: accounts, each a login and a mailbox. Live at once; nothing is reloaded.

JSON of an account: {"address", "realname", "active", "quota" (bytes; 0: no limit; null: the site's),
"has_password", "path" (below /var/mail/vhosts or, for the format mdbox, /var/mail/mdbox), "system", "format",
"frozen", "apps_only" (only app passwords log in), "aliases": [...], "may_send_as": [...]}.
"""

from __future__ import annotations

from typing import Any

import click

from posthouse import directory, paths
from posthouse.cli import _directory, _output
from posthouse.cli.app_password import app_password
from posthouse.cli.freeze import freeze, thaw
from posthouse.cli.password import password
from posthouse.directory import accounts, grants
from posthouse.errors import UsageError
from posthouse.mailboxes import places

_NAME = click.option("--name", "realname", metavar="TEXT", help="The person's name.")
_QUOTA = click.option("--quota", metavar="SIZE", help='Such as 5G; 0: no limit; "site": the site\'s.')

_FORMAT = click.option(
    "--format", "form", type=click.Choice(["maildir", "mdbox"]), help="How its mail is stored."
)


@click.group()
def user() -> None:
    """Add, list, change and remove accounts."""


for _command in (password, app_password, freeze, thaw):
    user.add_command(_command)


@user.command()
@click.argument("address")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin, one line.")
@click.option("--password-fd", type=int, metavar="N", help="Read the password from a file descriptor.")
@click.option("--generate", is_flag=True, help="Make a strong password and show it once.")
@_NAME
@_QUOTA
@_FORMAT
def add(
    address: str,
    password_stdin: bool,
    password_fd: int | None,
    generate: bool,
    realname: str | None,
    quota: str | None,
    form: str | None,
) -> None:
    """Add an account; its password is asked for twice without echo."""
    from posthouse.cli import mailbox
    from posthouse.directory import passwords, verifiers

    size = _directory.size(quota)
    name = directory.reading(lambda connection: accounts.check_new(connection, address))  # before asking
    form = mailbox.format_of_new(name, form)
    if generate and (password_stdin or password_fd is not None):
        raise UsageError("--generate makes a password, and another one was given.", "Take one of the two.")
    chosen = passwords.generate() if generate else _output.read_password(stdin=password_stdin, fd=password_fd)
    hashed, more = passwords.hash(chosen), _directory.verifiers(chosen)

    def work(connection: directory.Connection) -> accounts.Account:
        made = accounts.add(connection, address, hashed, realname, size, format=form)
        verifiers.put(connection, made.address, more)
        return made

    made = directory.writing(work)
    mailbox.settle(made)
    _output.note(f"{made.address} can log in now")
    if generate:
        _output.emit(chosen)


@user.command("list")
@_directory.DOMAIN
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many: a page.")
@click.option("--after", metavar="ADDRESS", help="Only those that come after this one: the next page.")
@_directory.JSON
def list_(domain: str | None, limit: int | None, after: str | None, as_json: bool) -> None:
    """List the accounts, by domain and address. JSON: a list of accounts.

    With --limit, what to say for the next page stands on stderr, as long as there is one.
    """
    wanted = None if limit is None else limit + 1
    found = directory.reading(lambda c: accounts.list(c, domain, after=after, limit=wanted))
    if limit is not None and len(found) > limit:
        found = found[:limit]
        _output.note(f"There are more; the next: --limit {limit} --after {found[-1].address}")
    if as_json:
        _output.emit_json([_directory.as_dict(account) for account in found])
    elif found:
        rows = [(a.address, a.realname, _state(a), _directory.shown_size(a.quota)) for a in found]
        _output.emit(_output.table(rows, ("ADDRESS", "NAME", "STATE", "QUOTA")))
    else:
        _output.note("There are no accounts; add one: posthouse user add ADDRESS")


@user.command()
@click.argument("address")
@_directory.JSON
def show(address: str, as_json: bool) -> None:
    """Show an account. JSON: the account."""
    found = directory.reading(lambda connection: accounts.get(connection, address))
    if as_json:
        _output.emit_json(_directory.as_dict(found))
        return
    lines = {
        "Address": found.address,
        "Name": found.realname or "-",
        "State": _state(found),
        "Password": _password_state(found),
        "Quota": _directory.shown_size(found.quota),
        "Mail": str(places.of(found.path, found.format).live),
        "Format": found.format,
        "Aliases": ", ".join(found.aliases) or "-",
        "May send as": ", ".join(found.may_send_as) or "-",
    }
    for name, value in lines.items():
        _output.emit(f"{name + ':':<13}{value}")


@user.command()
@click.argument("address")
@_NAME
@_QUOTA
@click.option("--enable/--disable", "active", default=None, help="Disabled: no login, and mail is refused.")
@click.option(
    "--apps-only/--any-password",
    "apps_only",
    default=None,
    help="Only app passwords log in, or the main one too.",
)
@_FORMAT
@click.option("--may-send-as", multiple=True, metavar="ADDRESS", help='Grant; "@DOMAIN": any address there.')
@click.option("--may-not-send-as", multiple=True, metavar="ADDRESS", help="Take a grant back.")
def change(
    address: str,
    realname: str | None,
    quota: str | None,
    active: bool | None,
    apps_only: bool | None,
    form: str | None,
    may_send_as: tuple[str, ...],
    may_not_send_as: tuple[str, ...],
) -> None:
    """Change an account: its name, quota, state, the format of its mail, and what it may send as."""
    values: dict[str, Any] = {}
    if realname is not None:
        values["realname"] = realname or None
    if quota is not None:
        values["quota"] = _directory.size(quota)
    if active is not None:
        values["active"] = active
    if apps_only is not None:
        values["apps_only"] = apps_only
    if not (values or form or may_send_as or may_not_send_as):
        raise UsageError("Nothing to change was given.", "posthouse user change --help shows what can be.")
    if active is False:
        _keep_postmaster(address, "disabled")

    def work(connection: directory.Connection) -> str:
        changed = accounts.change(connection, address, **values)
        if apps_only:  # what logged in by the main password is over
            accounts.end_sessions(connection, changed.address)
        for granted in may_send_as:
            grants.add(connection, address, granted)
        for taken in may_not_send_as:
            grants.remove(connection, address, taken)
        return changed.address

    changed = directory.writing(work)
    if form is not None:
        from posthouse.cli import mailbox

        mailbox.convert_one(changed, form)
    if apps_only:
        from posthouse.ops import freeze as sessions

        sessions.end_sessions(changed)
    _output.note(f"{changed} is changed")


def _state(account: accounts.Account) -> str:
    return "disabled" if not account.active else "frozen" if account.frozen else "active"


def _password_state(account: accounts.Account) -> str:
    if account.apps_only:
        return "not for mail programs: only app passwords log in"
    return "set" if account.has_password else "none: only app passwords log in"


@user.command()
@click.argument("address")
@click.option("--delete-mail", is_flag=True, help="Delete its mail too, for good.")
@_directory.YES
def remove(address: str, delete_mail: bool, yes: bool) -> None:
    """Remove an account. Its mail stays where it is unless --delete-mail is given."""
    found = directory.reading(lambda connection: accounts.get(connection, address))
    _keep_postmaster(found.address, "removed")
    if delete_mail and (
        others := directory.reading(lambda connection: accounts.nested(connection, found.address))
    ):
        raise UsageError(
            f"{found.address}: the mail of {', '.join(others)} lies inside its folder, or around it",
            "Remove it without --delete-mail, and take its mail away by hand.",
        )
    mail = places.of(found.path, found.format).live
    fate = f"its mail in {mail} is deleted for good" if delete_mail else f"its mail stays in {mail}"
    aliases = f" It is taken out of {', '.join(found.aliases)}." if found.aliases else ""
    _output.confirm(f"The account {found.address} is removed; {fate}.{aliases}", yes)
    directory.writing(lambda connection: accounts.remove(connection, address))
    if delete_mail:
        _delete(found.path)
    _output.note(f"{found.address} is removed; {'its mail is deleted' if delete_mail else fate}")


def _keep_postmaster(address: str, what: str) -> None:
    from posthouse.directory import addresses

    site = _directory.site()
    if site is not None and site.postmaster == addresses.account(address):
        raise UsageError(
            f"{site.postmaster} is the site's postmaster, and cannot be {what}",
            f"Name another one in {paths.SITE_FILE} first, and say: posthouse apply",
        )


def _delete(path: str) -> None:
    """Delete an account's folders as the store's own user; the schema keeps `path` inside the store."""
    from posthouse.errors import PosthouseError
    from posthouse.host.accounts import drop_to

    def work() -> None:
        folders = [folder for form in places.FORMATS for folder in places.of(path, form).everything()]
        for folder in (*folders, paths.SIEVE / path):
            try:
                places.remove(folder)
            except OSError as error:
                raise PosthouseError(
                    f"{error.filename}: {error.strerror}", f"the account is gone; remove {folder} by hand"
                ) from error

    drop_to(paths.STORE_USER, work)
