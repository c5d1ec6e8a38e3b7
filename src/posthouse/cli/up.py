"""`posthouse up`: from a bare Debian to a proven mail service; said again, it goes on."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Literal

import click

from posthouse.cli import _adopt, _output
from posthouse.errors import PosthouseError

if TYPE_CHECKING:
    from posthouse.adoption.translate import Adoption
    from posthouse.ops.up import Done, Wanted
    from posthouse.site.model import Filter

_SETTLED = "POSTHOUSE_UP_SETTLED"  # set when the installed program goes on for the checkout's


class _Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: stop as for Ctrl-C."""

    number = signal.SIGTERM


@click.command()
@click.argument("domain")
@click.option("--hostname", help="This host's full name [its own, or mail.DOMAIN].")
@click.option("--account", help="The first account [admin@DOMAIN].")
@click.option("--password-stdin", is_flag=True, help="Read its password from stdin, one line.")
@click.option("--password-fd", type=int, help="Read its password from a file descriptor, one line.")
@click.option(
    "--directory", type=click.Choice(["sqlite", "postgresql"]), help="Where accounts live [sqlite]."
)
@click.option(
    "--filter",
    type=click.Choice(["rspamd", "spamassassin"]),
    help="What judges mail from elsewhere and signs ours [rspamd].",
)
@click.option(
    "--never-ban",
    multiple=True,
    metavar="ADDRESS",
    help="An address or network that is never banned, beside that of this SSH session.",
)
@click.option(
    "--adopt", is_flag=True, help="Take over the mail server that is here; shows first what becomes of it."
)
@click.option("--yes", is_flag=True, help="Ask nothing; only what makes mail impossible stops it.")
@click.option("--packages-only", is_flag=True, hidden=True, help="Install packages, and stop there.")
def up(
    domain: str,
    hostname: str | None,
    account: str | None,
    password_stdin: bool,
    password_fd: int | None,
    directory: Literal["sqlite", "postgresql"] | None,
    filter: Filter | None,
    never_ban: tuple[str, ...],
    adopt: bool,
    yes: bool,
    packages_only: bool,
) -> None:
    """From a bare Debian to a proven mail service for DOMAIN.

    Asks for what it cannot know; without a terminal, or with --yes, it takes the defaults and makes a
    password, which it shows once. Said again it goes on where it was cut off, sets a given password, and
    starts what is stopped.
    """
    _output.require_root()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)
    try:
        adoption = _adoption(domain, hostname, account, never_ban) if adopt else None
        if adoption is not None:
            _adopt.check_filter(filter)
            hostname, account = adoption.hostname, adoption.postmaster
        wanted = _settle(
            domain, hostname, account, directory, filter, never_ban, password_stdin, password_fd, yes
        )
        adopting = adoption is not None or (adopt and _adopt.unfinished())
        _go(wanted, yes, packages_only, adoption, adopting=adopting)
    except KeyboardInterrupt as stopped:
        _output.note(f"\nposthouse: stopped. Say `posthouse up {domain}` again: it goes on from here.")
        sys.exit(128 + getattr(stopped, "number", signal.SIGINT))


def _adoption(
    domain: str, hostname: str | None, account: str | None, never_ban: tuple[str, ...]
) -> Adoption | None:
    """Look at the server that is here; None where it is ours already, and a run that was cut off goes on."""
    from posthouse.ops import up as ops

    if ops.begun():
        return None
    return _adopt.look(domain, hostname, account, never_ban)


def _terminated(_: int, __: FrameType | None) -> None:
    raise _Terminated


def _settle(
    domain: str,
    hostname: str | None,
    account: str | None,
    directory: Literal["sqlite", "postgresql"] | None,
    filter: Filter | None,
    never_ban: tuple[str, ...],
    stdin: bool,
    fd: int | None,
    yes: bool,
) -> Wanted:
    """Find out everything that has to be known before the machine is touched."""
    from dataclasses import replace

    from posthouse.ops import up as ops

    site = ops.existing_site()
    wanted = ops.proposed(domain, site)
    asking = site is None and not yes and _output.interactive() and _SETTLED not in os.environ
    if asking and hostname is None:
        hostname = _output.ask("Full name of this host", wanted.hostname)
    if asking and account is None:
        account = _output.ask("First account, which also gets the postmaster's mail", wanted.account)
    wanted = ops.settled(
        wanted,
        site,
        hostname=hostname,
        account=account,
        directory=directory,
        filter=filter,
        never_ban=never_ban,
    )
    if stdin or fd is not None:
        return replace(wanted, password=_output.read_password(stdin=stdin, fd=fd))
    if asking:
        given = _output.read_password(prompt="Its password (empty: make a strong one)", empty_ok=True)
        return replace(wanted, password=given or None)
    return wanted


def _go(wanted: Wanted, yes: bool, packages_only: bool, adoption: Adoption | None, *, adopting: bool) -> None:
    from posthouse.cli.completion import script
    from posthouse.ops import entry, install
    from posthouse.ops import up as ops

    if os.environ.pop(_SETTLED, None) is None and not ops.begun():
        ops.check_database(wanted)
        _preflight(wanted, yes, adopting=adoption is not None)
        if adoption is not None:
            _adopt.agree(adoption, yes)
    if install.install(script("bash")):
        _output.note("installed the program in /opt/posthouse")
    if not install.in_place():
        _continue_installed(wanted, packages_only, adopting=adopting)
    if packages_only:
        ops.packages_only(wanted, _output.note)
        return
    if adopting:
        done = _adopt.run(adoption, wanted)
    else:
        done = ops.run(wanted, _output.note, lambda made: _show_password(wanted.account, made))
    _show(done)
    if done.made_password is not None:
        ops.shown()
    if entry.is_init():
        _output.note("staying as the first process of this machine; SIGTERM stops the service")
        entry.stay(_stop)


def _preflight(wanted: Wanted, yes: bool, *, adopting: bool) -> None:
    """Look before anything is touched. PosthouseError where something stops us; what does not is said."""
    from posthouse.doctor import preflight

    _output.note("looking at the machine")
    checks = preflight.preflight(wanted.domain, wanted.hostname, adopting=adopting)
    for check in checks:
        if check.state != "ok":
            mend = f"\n      {check.mend}" if check.mend else ""
            _output.note(f"  {check.state}: {check.name}: {check.evidence}{mend}")
    stops = preflight.stops(checks, yes=True)
    if stops:
        raise PosthouseError(
            f"{len(stops)} of these {'makes' if len(stops) == 1 else 'make'} mail impossible here;"
            " no daemon and no file of it was changed.",
            "Mend what is said above, and say the same again.",
        )
    if not yes and _output.interactive() and preflight.stops(checks, yes=False):
        _output.confirm("Mail will work, but not well, until that is mended.", yes)


def _continue_installed(wanted: Wanted, packages_only: bool, *, adopting: bool) -> None:
    """Go on as the installed program: a checkout may be unreadable for the users that we become."""
    arguments = ["up", wanted.domain, "--hostname", wanted.hostname, "--account", wanted.account, "--yes"]
    arguments += ["--directory", wanted.directory, "--filter", wanted.filter]
    for address in wanted.never_ban:
        arguments += ["--never-ban", address]
    if packages_only:
        arguments.append("--packages-only")
    if adopting:
        arguments.append("--adopt")
    if wanted.password is not None:
        reading, writing = os.pipe()
        os.write(writing, wanted.password.encode() + b"\n")  # at most 1 KiB: a pipe holds it
        os.close(writing)
        os.set_inheritable(reading, True)
        arguments += ["--password-fd", str(reading)]
    sys.stdout.flush()
    python = "/opt/posthouse/venv/bin/python"
    os.environ[_SETTLED] = "1"
    os.execv(python, [python, "-I", "-m", "posthouse", *arguments])  # noqa: S606


def _stop() -> None:
    from posthouse.ops.down import down

    down(_output.note, for_good=False)


def _show(done: Done) -> None:
    site = done.site
    if not done.changed:
        _output.emit(f"Nothing to do: {site.hostname} serves {site.domain}, and mail flows.")
        return
    if not done.first:
        _output.emit(f"{site.hostname} serves {site.domain} again, and mail flows.")
        if done.made_password is not None:
            _show_password(done.account, done.made_password)
        return
    from posthouse.dkim import keys
    from posthouse.dns import records, show
    from posthouse.ops import certificate_status, certificates

    wanted = records.wanted(
        site, [site.domain], keys.all(), certificates.pins(site), certificates.trusted(site)
    )
    _output.emit(f"{site.hostname} serves {site.domain}: mail was sent to it and through it, and read.\n")
    if site.network.ipv4 is None and site.network.ipv6 is None:
        _output.emit("This machine has no public address of its own: put it into the site file, [network].\n")
    _output.emit(f"Publish these DNS records (`posthouse dns` prints them again):\n\n{show.text(wanted)}\n")
    _output.emit(
        f"In a mail program, with the whole address as user name ({done.account}):\n\n"
        f"    IMAP  {site.hostname}  port 993 (TLS), or 143 (STARTTLS)\n"
        f"    SMTP  {site.hostname}  port 465 (TLS), or 587 (STARTTLS)\n"
    )
    if site.tls.kind == "self-signed":
        _output.emit(
            "The certificate is self-signed for now: the program asks once whether to trust it. When the records are"
            f" published, this ends it:\n\n    {certificate_status.END}\n"
        )
    if done.made_password is not None:
        _show_password(done.account, done.made_password)
    _output.emit(f"Next: posthouse user add NAME@{site.domain}, posthouse status.")
    sys.stdout.flush()


def _show_password(account: str, password: str) -> None:
    _output.emit(f"Password of {account}, shown only now:\n\n    {password}\n")
    sys.stdout.flush()
