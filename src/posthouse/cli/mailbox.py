"""`posthouse mailbox`: mail carried over from one storage format to the other, while it flows.

JSON of `list`: [{"address", "format", "closed", "draft" (bytes of a copy that is not finished, or null), "kept"
(bytes of the old copy, or null)}] of the accounts where a conversion has left something.
"""

from __future__ import annotations

import os

import click

from posthouse import directory, paths
from posthouse.cli import _directory, _output
from posthouse.directory import accounts
from posthouse.errors import PosthouseError, UsageError
from posthouse.host.accounts import drop_to
from posthouse.mailboxes import places

_ADDRESS = click.argument("address", required=False)
_ALL = click.option("--all", "everybody", is_flag=True, help="Every account.")


@click.group()
def mailbox() -> None:
    """Convert mailboxes between Maildir and mdbox, and free the room of what was deleted."""


@mailbox.command()
@_ADDRESS
@_ALL
@click.option("--to", "to", type=click.Choice(["maildir", "mdbox"]), help="The new format.")
@click.option("--undo", is_flag=True, help="Take back what a conversion that was cut off has left.")
@_directory.YES
def convert(address: str | None, everybody: bool, to: str | None, undo: bool, yes: bool) -> None:
    """Convert a mailbox while mail flows; said again, go on where it was cut off.

    The mailbox is closed for the last step only, mostly less than a second: mail waits, sessions end. The old copy
    is kept until `posthouse mailbox forget`.
    """
    _output.require_root()
    if undo == (to is not None):
        raise UsageError(
            "Expected either --to or --undo.", "Say: posthouse mailbox convert ADDRESS --to mdbox"
        )
    names = _names(address, everybody)
    if undo:
        from posthouse.mailboxes import convert as conversion

        for name in names:
            conversion.undo(name, _output.note)
            _output.note(f"{name}: nothing is left of an unfinished conversion")
        return
    assert to is not None
    what = names[0] if len(names) == 1 else f"{len(names)} mailboxes"
    _output.confirm(f"{what}: converted to {to}. Sessions end once, mail waits for a moment.", yes)
    failed = []
    for name in names:
        try:
            convert_one(name, to)
        except PosthouseError as error:
            if len(names) == 1:
                raise
            _output.note(f"posthouse: {error}")
            failed.append(name)
    if failed:
        raise PosthouseError(
            f"{len(failed)} of {len(names)} mailboxes were not converted", "say the same again"
        )


@mailbox.command("list")
@_directory.JSON
def list_(as_json: bool) -> None:
    """List the accounts where a conversion left a copy, or a mailbox that is closed. JSON: see above."""
    from posthouse.mailboxes import convert as conversion

    _output.require_root()
    found = conversion.leftovers()
    if as_json:
        _output.emit_json([_directory.as_dict(one) for one in found])
    elif found:
        rows = [
            (one.address, one.format, "closed" if one.closed else "open", _shown(one.draft), _shown(one.kept))
            for one in found
        ]
        _output.emit(_output.table(rows, ("ADDRESS", "FORMAT", "STATE", "UNFINISHED COPY", "OLD COPY")))
    else:
        _output.note("No conversion left anything")


@mailbox.command()
@_ADDRESS
@_ALL
@_directory.YES
def forget(address: str | None, everybody: bool, yes: bool) -> None:
    """Remove the old copies that conversions kept, for good."""
    from posthouse.mailboxes import convert as conversion

    _output.require_root()
    if everybody:
        _names(address, everybody)
        names = [one.address for one in conversion.leftovers() if one.kept is not None and not one.closed]
        if not names:
            _output.note("There are no old copies")
            return
    else:
        names = _names(address, everybody)
    _output.confirm(f"{', '.join(names)}: the old copy is removed for good.", yes)
    for name in names:
        _output.note(f"{name}: {conversion.forget(name) >> 10} KiB are free again")


@mailbox.command()
@_ADDRESS
def purge(address: str | None) -> None:
    """Free the room of deleted messages in mdbox mailboxes: in all, or in one. Runs by itself every night."""
    from posthouse.mailboxes import dovecot

    _output.require_root()
    found = directory.reading(accounts.list)
    if address is not None:
        found = (directory.reading(lambda connection: accounts.get(connection, address)),)
    failed = []
    for account in found:
        if account.format == "mdbox" and account.active:
            try:
                dovecot.purge(account.address)
            except PosthouseError as error:
                _output.note(f"posthouse: {error}")
                failed.append(account.address)
    if failed:
        raise PosthouseError(f"{len(failed)} mailboxes were not purged")


@mailbox.command()
def recover() -> None:
    """Open again what a conversion that was killed left closed. Dovecot's start says this by itself."""
    from posthouse.host.lock import Busy
    from posthouse.mailboxes import convert as conversion

    _output.require_root()
    try:
        conversion.recover(_output.note)
    except Busy as busy:
        _output.note(str(busy))


def convert_one(address: str, to: str) -> None:
    """Convert one mailbox, and say what became of it."""
    from posthouse.mailboxes import convert as conversion

    _output.require_root()
    if conversion.convert(address, "mdbox" if to == "mdbox" else "maildir", _output.note):
        _output.note(f"{address} is {to} now; its old copy stays until: posthouse mailbox forget {address}")
    else:
        _output.note(f"{address} is {to} already")


def format_of_new(address: str, asked: str | None) -> str:
    """Return the format of an account to be: that of mail which is there already, else as asked, else the site's.

    Raises:
        UsageError: mail in another format is there.
    """
    site = _directory.site() if asked is None and _directory.says("mail", "format") else None
    wanted = asked or (site.mail.format if site is not None else "maildir")
    if not _has_store():
        return wanted
    path = accounts.usual_path(address)
    there = drop_to(paths.STORE_USER, lambda: places.found(path))
    if asked is not None and there is not None and there != asked:
        raise UsageError(
            f"{address}: expected nothing in {places.of(path, there).live}, found mail in the format {there}",
            f"Add the account without --format, then: posthouse mailbox convert {address} --to {asked}",
        )
    return there or wanted


def settle(account: accounts.Account) -> None:
    """Open the door of a new account's format, and close the other: what takes it for that begins no empty one."""
    if not _has_store():
        return
    own = places.of(account.path, account.format)

    def work() -> None:
        if places.closed(own.live):
            places.remove(own.live)
        if account.format == "mdbox" and not places.of(account.path, "maildir").live.exists():
            places.make_closed(places.of(account.path, "maildir").live)

    drop_to(paths.STORE_USER, work)


def _has_store() -> bool:
    """Tell whether there is mail that this process may look at."""
    return os.geteuid() == 0 and paths.STORE.is_dir()


def _names(address: str | None, everybody: bool) -> list[str]:
    if everybody == (address is not None):
        raise UsageError("Expected either an ADDRESS or --all.")
    if address is None:
        return [account.address for account in directory.reading(accounts.list)]
    return [directory.reading(lambda connection: accounts.get(connection, address)).address]


def _shown(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:.1f} MiB"
