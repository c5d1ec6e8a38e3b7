"""`posthouse down`: stop the mail service, or give the machine back as it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from posthouse.cli import _output
from posthouse.errors import UsageError

if TYPE_CHECKING:
    from posthouse.ops.context import Base
    from posthouse.ops.purge.way import Way


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--purge", is_flag=True, help="Give the machine back as it was found.")
@click.option("--with-mail", is_flag=True, help="With --purge: all mail, accounts and keys go too.")
@click.option("--lose-mail-of", metavar="DOMAIN", help="With --with-mail and --yes: say it twice.")
def down(yes: bool, purge: bool, with_mail: bool, lose_mail_of: str | None) -> None:
    """Stop the mail service, now and at the next boot.

    Nothing is removed: files, accounts and mail stay, and other servers try again for some days.
    `posthouse up DOMAIN` or `posthouse apply` starts it again.

    With --purge the machine becomes what it was before `up`: files and services as they were found, the packages
    that came gone, and this program too. Mail stays in /var/mail, accounts, keys and certificate in
    /var/lib/posthouse/kept, where the next `up` finds them. Cut off, any `posthouse` command goes on with it.
    """
    from posthouse.ops import down as ops

    _output.require_root()
    if purge:
        _purge(yes, with_mail, lose_mail_of)
    if with_mail or lose_mail_of is not None:
        raise UsageError("--with-mail and --lose-mail-of belong to --purge.", "Nothing was done.")
    _output.confirm("This stops the mail service; no mail will be taken or read.", yes)
    stopped = ops.down(_output.note)
    if stopped:
        _output.emit(f"Stopped: {', '.join(stopped)}. `posthouse apply` starts the service again.")
    else:
        _output.emit("Nothing was running. `posthouse apply` starts the service.")


def _purge(yes: bool, with_mail: bool, lose_mail_of: str | None) -> None:
    from posthouse.ops import context
    from posthouse.ops.purge import run, way

    base = context.base().telling(_output.note)
    found = way.look(base, with_mail=with_mail)
    _show(base, found)
    run.refuse_queue(found)
    if with_mail:
        _agree_to_lose(base, yes, lose_mail_of)
    _output.confirm("This ends the mail service and gives the machine back as it was found.", yes)
    run.run(base, with_mail=with_mail, note=_output.note)


def _agree_to_lose(base: Base, yes: bool, lose_mail_of: str | None) -> None:
    domain = base.site(base.inputs).domain
    if lose_mail_of is None and not yes and _output.interactive():
        lose_mail_of = _output.ask(
            "All mail, accounts and keys will be gone. The main domain's name, to agree", ""
        )
    if lose_mail_of != domain:
        raise UsageError(
            "--with-mail deletes all mail, accounts and keys, and must be said twice; nothing was done.",
            f"Add: --lose-mail-of {domain}",
        )


def _show(base: Base, found: Way) -> None:
    from posthouse.engine import show
    from posthouse.ops import rollback
    from posthouse.ops.purge import way

    if base.engine.store.state().current:
        _output.note(show.render_text(rollback.plan(base, 0), diffs=False))
    if found.packages is None:
        _output.note("- packages: nobody kept account of what came with Posthouse, so all of them stay")
    else:
        names = " ".join(sorted(name.partition(":")[0] for name in found.packages.goes))
        _output.note(f"- remove {len(found.packages.goes)} packages that came with it: {names}")
        if found.packages.needed:
            _output.note(f"  these stay, since something here needs them: {' '.join(found.packages.needed)}")
    rest = found.rest
    if rest.users or rest.groups:
        _output.note(f"- remove the users {', '.join(rest.users)} and the groups {', '.join(rest.groups)}")
    _output.note(f"- remove {', '.join(map(str, rest.removed))}")
    if found.with_mail:
        lost = f", {found.queue} messages in the queue" if found.queue else ""
        _output.note(f"- LOST FOR GOOD: all mail, accounts, keys{lost}")
        if left := way.database_left(found):
            _output.note(f"= kept: {left}, in a PostgreSQL that is yours: DROP DATABASE when it shall go")
    else:
        _output.note("= kept: the mail in /var/mail with its user vmail; accounts, keys and certificate in")
        _output.note("  /var/lib/posthouse/kept, for root alone, where the next `up` finds them")
