"""From a bare machine to a proven mail service: what `up` does, step by step.

Every step asks whether it is done already, so that a run which was cut off anywhere goes on where it was,
and one with nothing to do does nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from posthouse import paths
from posthouse.directory import (
    Connection,
    accounts,
    addresses,
    domains,
    passwords,
    reading,
    verifiers,
    writing,
)
from posthouse.engine import generations
from posthouse.engine.store import Store
from posthouse.errors import UsageError
from posthouse.host import addresses as own_addresses
from posthouse.host import files, operator
from posthouse.host.lock import exclusive
from posthouse.site import load, names
from posthouse.site.model import DirectoryTable, Filter, Site
from posthouse.site.write import new_file

if TYPE_CHECKING:
    from posthouse.ops.context import Context

Note = Callable[[str], None]

_UNSEEN = paths.STATE / "password-unseen"
_LOCK = paths.RUN / "up.lock"
_WAIT = 1800.0  # seconds that one `up` waits for another: apt takes its time


@dataclass(frozen=True)
class Wanted:
    """What `up` is to make. `password` None: keep the account's, or make one for a new account.

    `directory`, `filter` and `never_ban`: the kind of database, the filter chain and who is never banned, of a new
    site file; `never_ban` is the address of the operator's SSH session unless he says more.
    """

    domain: str
    hostname: str
    account: str
    password: str | None = None
    directory: Literal["sqlite", "postgresql"] = "sqlite"
    filter: Filter = "rspamd"
    never_ban: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What `up` did.

    `changed`: anything at all. `first`: mail was never seen to flow here before. `made_password`: to be shown
    once; then `shown` is called.
    """

    site: Site
    account: str
    changed: bool
    first: bool
    made_password: str | None


def existing_site() -> Site | None:
    """Return the site of this machine's site file; None where there is none yet. SiteFileError.

    Where the file went away, it is the current generation's, which `run` puts back.
    """
    if paths.SITE_FILE.exists():
        return load.load()
    lost = _lost_file()
    return None if lost is None else load.parse(lost, str(paths.SITE_FILE))


def _lost_file() -> str | None:
    """Return the current generation's site file; None before the first one."""
    store = Store(paths.ENGINE)
    number = store.state().current
    return generations.inputs(store, number).site if number else None


def proposed(domain: str, site: Site | None) -> Wanted:
    """Return what `up` takes unless told otherwise. UsageError where the site file says another domain."""
    domain = _checked("DOMAIN", names.dns_name, domain)
    if site is not None:
        if site.domain != domain:
            raise UsageError(
                f"{paths.SITE_FILE}: this machine's main domain is {site.domain}, not {domain}.",
                f"To serve {domain} too: posthouse domain add {domain}. To change the main domain: "
                "edit the file, then posthouse apply.",
            )
        return Wanted(domain, site.hostname, site.postmaster, None, site.directory.backend, site.filter)
    from posthouse.ops import kept

    seat = operator.ssh_client()
    return Wanted(
        domain,
        _host_name(domain),
        f"admin@{domain}",
        directory=kept.directory() or "sqlite",
        never_ban=(seat,) if seat else (),
    )


def settled(
    wanted: Wanted,
    site: Site | None,
    *,
    hostname: str | None,
    account: str | None,
    directory: Literal["sqlite", "postgresql"] | None = None,
    filter: Filter | None = None,
    never_ban: tuple[str, ...] = (),
) -> Wanted:
    """Return what is wanted with the operator's own words in it. UsageError where they cannot be."""
    if hostname is not None:
        hostname = _checked("--hostname", names.host_name, hostname)
        if site is not None and hostname != site.hostname:
            raise UsageError(
                f"{paths.SITE_FILE}: this host's name is {site.hostname}, not {hostname}.",
                "To change it: edit the file, then posthouse apply.",
            )
        if hostname == wanted.domain:
            raise UsageError(
                f"--hostname: the host needs a name of its own beside the mail domain {wanted.domain}.",
                f"Take mail.{wanted.domain}.",
            )
        wanted = replace(wanted, hostname=hostname)
    if account is not None:
        account = addresses.account(account if "@" in account else f"{account}@{wanted.domain}")
        if site is None and addresses.split(account)[1] != wanted.domain:
            raise UsageError(
                f"--account: {account} is not at {wanted.domain}, and no other domain is here yet.",
                f"Take NAME@{wanted.domain}; more domains come with posthouse domain add.",
            )
        wanted = replace(wanted, account=account)
    if never_ban:
        said = [_checked("--never-ban", names.network, text) for text in never_ban]
        if site is not None and not set(said) <= set(site.bans.never):
            raise UsageError(
                f"{paths.SITE_FILE} is there already, and says who is never banned.",
                "Add them there, [bans] never = [...], then posthouse apply.",
            )
        wanted = replace(wanted, never_ban=tuple(dict.fromkeys([*wanted.never_ban, *said])))
    if filter is not None:
        if site is not None and filter != site.filter:
            raise UsageError(
                f"{paths.SITE_FILE}: the filter is {site.filter}, not {filter}.",
                f'To change it: write filter = "{filter}" into the file, then posthouse apply.',
            )
        wanted = replace(wanted, filter=filter)
    if directory is not None:
        if site is not None and directory != site.directory.backend:
            from posthouse.ops import database

            there = database.in_use() is not None
            raise UsageError(
                f"{paths.SITE_FILE}: the directory {'is' if there else 'shall be'} in {site.directory.backend},"
                f" not {directory}.",
                f"To move it, with all that is in it: posthouse directory move {directory}"
                if there
                else f'Nothing is in it yet: write backend = "{directory}" there, and say this again.',
            )
        wanted = replace(wanted, directory=directory)
    return wanted


def begun() -> bool:
    """Tell whether this machine was made a mail server already: then its own daemons hold the ports."""
    store = Store(paths.ENGINE)
    # A first apply that was cut off has no generation yet, and its daemons may run.
    return store.path("journal").exists() or store.state().current > 0


def check_database(wanted: Wanted) -> None:
    """UsageError where the directory is to be in a PostgreSQL that is here, and cannot be. Changes nothing."""
    site = existing_site()
    if wanted.directory == "postgresql" and (site is None or site.directory.url is None):
        from posthouse.host import machine
        from posthouse.ops import cluster

        cluster.check(machine.release())


def run(wanted: Wanted, note: Note, reveal: Callable[[str], None]) -> Done:
    """Make it so, and prove it. The caller shows `made_password` and then calls `shown`.

    Args:
        wanted: from `settled`.
        note: told what happens.
        reveal: shows the password that was made, where something stops us afterwards.

    Raises:
        PosthouseError: something stopped it; what was done stands, and the next run goes on.
    """
    with exclusive(_LOCK, _WAIT, note):
        return _run(wanted, note, reveal)


def _run(wanted: Wanted, note: Note, reveal: Callable[[str], None]) -> Done:
    from posthouse.ops import apply, context, database, move, plan, prepare

    move.settle(context.base(), note)
    changed = _site_file(wanted, note)
    now = context.load()
    if refused := apply.unapplied(now.base, note):
        # An entry point is said at every start: what was taken back must not come back with it.
        now = context.current(now.base)
        note("\n".join([*refused, f"{paths.SITE_FILE} waits for a change or for `posthouse apply`"]))
        note(f"generation {now.engine.store.state().current} runs until then")
    first = now.engine.store.state().proof != "yes"
    found = plan.plan(now)
    if found.changes:
        changed |= apply.apply(now, why=f"up {wanted.domain}", note=note).changed
    elif refused or database.in_use() is None:  # the program may be a newer one, with another schema
        prepare.prepare(now)
        changed = True
    if found.drift:
        note(f"{len(found.drift)} files were edited by hand and are kept: posthouse drift show")
    changed_account, made = _account(wanted, now.site, note)
    changed |= changed_account
    try:
        if now.engine.store.state().proof != "yes":
            _prove(now, note)
            changed = True
    except BaseException:
        if made is not None:
            reveal(made)
            shown()
        raise
    if not found.changes:
        apply.certificate(now, note)
    return Done(now.site, wanted.account, changed, first, made)


def _prove(now: Context, note: Note) -> None:
    from posthouse.ops import apply

    probe = apply.probe(now.site, note, prove=True)
    assert probe is not None
    doubt = probe()
    apply.record_proof(now.base, doubt)
    if doubt is not None:
        raise apply.NotProven(
            f"the service runs, but {doubt}", "Mend that and say `posthouse up` again: it proves it again."
        )


def shown() -> None:
    """Note that the operator has seen the made password."""
    _UNSEEN.unlink(missing_ok=True)


def packages_only(wanted: Wanted, note: Note) -> None:
    """Install the Debian packages that the site needs, and stop: for an image of many machines."""
    from posthouse import stack
    from posthouse.host import machine, packages

    site = existing_site() or Site(
        domain=wanted.domain,
        hostname=wanted.hostname,
        postmaster=wanted.account,
        filter=wanted.filter,
        directory=DirectoryTable(backend=wanted.directory),
    )
    packages.install(stack.assemble(site, machine.release(), machine.ground(), {}).packages, note)


def _checked(what: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise UsageError(f"{what}: {error}.") from error


def _host_name(domain: str) -> str:
    """Return this machine's own name where it is a full one, else mail.DOMAIN."""
    try:
        name = names.host_name(socket.getfqdn())
    except ValueError:
        return f"mail.{domain}"
    local = name.endswith((".localdomain", ".local", ".arpa", ".internal", ".lan", ".home")) or name == domain
    return f"mail.{domain}" if local else name


def _site_file(wanted: Wanted, note: Note) -> bool:
    """Write the site file where there is none; True where it was written."""
    if paths.SITE_FILE.exists():
        return False
    if (lost := _lost_file()) is not None:
        note(f"{paths.SITE_FILE} was not there; the current generation's is put back")
        files.write_atomic(paths.SITE_FILE, lost.encode())
        return True
    public = own_addresses.public()
    ipv4, ipv6 = (next((str(ip) for ip in public if ip.version == version), None) for version in (4, 6))
    text = new_file(
        wanted.domain,
        wanted.hostname,
        wanted.account,
        ipv4,
        ipv6,
        wanted.directory,
        filter=wanted.filter,
        never=wanted.never_ban,
    )
    load.parse(text, str(paths.SITE_FILE))
    files.write_atomic(paths.SITE_FILE, text.encode())
    return True


def _account(wanted: Wanted, site: Site, note: Note) -> tuple[bool, str | None]:
    """Have the domain and the account; return whether anything changed, and the password made for it."""
    from posthouse.dkim import keys

    domain = addresses.split(wanted.account)[1]

    def look(connection: Connection) -> tuple[set[str], str | None, bool]:
        row = connection.execute("SELECT password FROM users WHERE userid = ?", (wanted.account,)).fetchone()
        return {entry.name for entry in domains.list(connection)}, row and row[0], row is not None

    present, stored, exists = reading(look)
    made = None
    password = wanted.password
    if password is None and (not exists or _unseen(wanted.account, stored)):
        password = made = passwords.generate()
    fresh = password is not None and not passwords.verify(stored, password)
    if wanted.domain in present and exists and not fresh:
        return False, None
    hashed = passwords.hash(password) if password is not None else None
    usable = verifiers.make(password, site.auth.mechanisms) if password is not None else {}
    if (
        made is not None
    ):  # noted first, beside what it takes the place of: cut off here, either is known again
        files.write_atomic(_UNSEEN, f"{wanted.account} {stored or ''} {hashed}\n".encode(), mode=0o600)

    def have(connection: Connection) -> None:
        if wanted.domain not in present:
            domains.add(connection, wanted.domain)
        if not exists:
            accounts.add(connection, wanted.account, hashed, format=site.mail.format)
        elif fresh:
            accounts.set_password(connection, wanted.account, hashed)
        if fresh:
            verifiers.put(connection, wanted.account, usable)

    note(f"{'setting the password of' if exists else 'adding'} {wanted.account}")
    writing(have)
    keys.ensure(domain)
    return True, made


def _unseen(account: str, stored: str | None) -> bool:
    """Tell whether an account still has the password that `up` made and nobody saw, since it was cut off.

    One that was set since, by whatever hand, is somebody's.
    """
    try:
        noted, *hashes = _UNSEEN.read_text().split()
    except (FileNotFoundError, ValueError):
        return False
    return noted == account and stored in hashes
