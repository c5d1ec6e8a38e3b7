"""Move the directory to another database, with everybody at work.

The order makes it safe to be cut off anywhere, and said again it goes on:

1. packages; the new database runs and has its tables,
2. all is copied and compared, while the old one takes no change (`directory.carry`),
3. the new one is in use: commands and the agent change it from here on; Postfix and Dovecot still read the old
   one, which says the same,
4. the site file says so, and an apply lets Postfix and Dovecot read the new one, and proves it by mail.

What fails in 4 is carried back, with what has changed meanwhile. `MARK` says that a move is under way, and what
the site file was before it and will be after it. The old database stays, and takes no change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from posthouse import paths
from posthouse.directory import backend
from posthouse.directory.backend import Place, Server
from posthouse.engine.found import Found
from posthouse.engine.target import Outcome
from posthouse.errors import PosthouseError, UsageError
from posthouse.host import files, packages
from posthouse.host.lock import exclusive
from posthouse.ops import apply, cluster, context, database
from posthouse.ops.alone import WAIT_SECONDS
from posthouse.ops.context import Base, Context
from posthouse.site.edit import with_directory

Note = Callable[[str], None]

MARK = paths.STATE / "directory-move.json"  # root 0600: {before, after}: the site file's texts
_LOCK = paths.RUN / "directory-move.lock"


@dataclass(frozen=True)
class Move:
    """A move to be: where from and where to, the site file's new text, and whether one was cut off."""

    source: Place
    target: Place
    site_text: str
    resumed: bool

    @property
    def lines(self) -> list[str]:
        """What will happen, in words."""
        done = self.source == self.target
        begin = "Go on with moving" if self.resumed else "Move"
        found = [
            f"{begin} the directory from {database.named(self.source)} to {database.named(self.target)}:"
        ]
        if done:
            found = [
                f"Go on with moving the directory to {database.named(self.target)}, where all accounts are:"
            ]
        else:
            found += [
                "  install what the new one needs, start it, make its tables",
                "  copy everything and compare it; until that is done, changes to accounts are refused",
            ]
        return [
            *found,
            f"  write [directory] in {paths.SITE_FILE}",
            "  let Postfix and Dovecot read the new one, and prove it by mail; if that fails, move back",
            "Mail is taken and delivered; while the daemons change over, it is told to come later for some seconds.",
        ]


def pending() -> bool:
    """Tell whether a move was cut off."""
    return MARK.exists()


def plan(
    base: Base, kind: Literal["sqlite", "postgresql"], url: str | None, password_file: str | None
) -> Move:
    """Return what a move means. Changes nothing.

    Raises:
        UsageError: the directory is there already, there is none, or the options do not fit each other.
    """
    source = database.in_use()
    if source is None:
        raise UsageError(
            "There is no directory yet.", "`posthouse up DOMAIN --directory postgresql` makes it there."
        )
    text = with_directory(base.inputs.site, kind, url, password_file)
    site = base.site(replace(base.inputs, site=text))  # the model's own words where the options are wrong
    target = database.place(site)
    if source == target and database.place(base.site(base.inputs)) == target and not pending():
        raise UsageError(f"The directory is in {database.named(target)} already.")
    if site.directory.password_file is not None:
        database.read_password(Path(site.directory.password_file))
    if isinstance(target, Server) and target.is_local:
        cluster.check(base.release)
    return Move(source, target, text, pending())


def move(base: Base, wanted: Move, note: Note) -> Outcome:
    """Carry a move out, or take it back.

    Raises:
        PosthouseError: it is taken back, or could not begin; the directory is where it was.
    """
    with exclusive(_LOCK, WAIT_SECONDS, note):
        before = json.loads(MARK.read_bytes())["before"] if MARK.exists() else base.inputs.site
        texts = {"before": before, "after": wanted.site_text}
        files.write_atomic(MARK, json.dumps(texts).encode(), mode=0o600)
        try:
            _there(base, wanted, note)
        except PosthouseError:
            _abandon(wanted)
            raise
        files.write_atomic(paths.SITE_FILE, wanted.site_text.encode())
        try:
            outcome = apply.apply(context.load(), why=f"directory move {_kind(wanted.target)}", note=note)
        except apply.NotProven:
            MARK.unlink(
                missing_ok=True
            )  # mail was not seen to flow before either: there is nothing to go back to
            raise
        except PosthouseError as error:
            _back(base, wanted, before, note)
            raise PosthouseError(
                f"{error.message}\nthe directory is in {database.named(_origin(base, before))} again",
                error.hint,
            ) from error
        MARK.unlink(missing_ok=True)
        return outcome


def settle(base: Base, note: Note) -> Base:
    """Deal with a move that was cut off, before an apply or `up`; return the machine as it stands then.

    Before the new database was in use it is given up; from there on the site file follows.
    """
    if not MARK.exists():
        return base
    from posthouse.directory import carry

    with exclusive(_LOCK, WAIT_SECONDS, note):
        texts = json.loads(MARK.read_bytes())
        now = backend.current()
        if now == _origin(base, texts["before"]):
            note("a move of the directory was cut off before anything changed: it is given up")
            database.awake(
                base.site(replace(base.inputs, site=texts["before"])), base.release, base.ground, note
            )
            carry.thaw(now)
        elif database.place(base.site(base.inputs)) != now:
            note(f"going on with the move of the directory to {database.named(now)}")
            files.write_atomic(paths.SITE_FILE, texts["after"].encode())
        MARK.unlink()
    return context.base()


def _kind(where: Place) -> str:
    return "sqlite" if isinstance(where, Path) else "postgresql"


def _there(base: Base, wanted: Move, note: Note) -> None:
    """Have everything in the new database, and that in use. PosthouseError."""
    from posthouse.directory import carry

    if wanted.source == wanted.target:
        return
    new = Context(base, base.render(replace(base.inputs, site=wanted.site_text)))
    site = base.site(replace(base.inputs, site=wanted.site_text))
    # How the machine was found, for the way back: an apply would see a database that was started here.
    Found.load(base.engine.store).with_units(base.engine.machine.states(new.blueprint.services))
    packages.install(new.blueprint.packages, note)
    database.make(site, base.release, base.ground, note)
    carry.carry(wanted.source, wanted.target, note)
    database.boot(site, base.release, base.ground)
    backend.switch(wanted.target)


def _abandon(wanted: Move) -> None:
    """Nothing of the new database is in use: let changes into the old one again."""
    from posthouse.directory import carry

    if backend.current() == wanted.source:
        carry.thaw(wanted.source)
        MARK.unlink(missing_ok=True)


def _origin(base: Base, before: str) -> Place:
    return database.place(base.site(replace(base.inputs, site=before)))


def _back(base: Base, wanted: Move, before: str, note: Note) -> None:
    """The engine has taken the files back: so is the directory, with what has changed in the new one."""
    from posthouse.directory import carry

    origin = _origin(base, before)
    files.write_atomic(paths.SITE_FILE, before.encode())
    if origin != wanted.target:
        note(f"moving the directory back to {database.named(origin)}")
        database.make(base.site(replace(base.inputs, site=before)), base.release, base.ground, note)
        carry.carry(wanted.target, origin, note)
        backend.switch(origin)
    MARK.unlink(missing_ok=True)


@dataclass(frozen=True)
class Standing:
    """The directory in use: which database, where, and what is in it (None where it cannot be asked now)."""

    backend: str
    where: str
    version: str | None
    schema: int | None
    domains: int | None
    accounts: int | None
    frozen: int | None  # of the accounts
    aliases: int | None
    grants: int | None
    problem: str | None
    move_under_way: bool


def show() -> Standing:
    """Look at the directory in use. UsageError where there is none."""
    from posthouse import directory
    from posthouse.directory import Connection, schema

    now = database.in_use()
    if now is None:
        raise UsageError("There is no directory yet.", "Begin with: posthouse up DOMAIN")

    def look(connection: Connection) -> tuple[str, int, list[int]]:
        version = "sqlite_version()" if isinstance(now, Path) else "current_setting('server_version')"
        people = "users WHERE system = 0"
        tables = ("transport", people, f"{people} AND frozen <> 0", "virtual", "grants")
        count = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]  # noqa: S608
        found = connection.execute(f"SELECT {version}").fetchone()[0]
        return str(found), schema.version(connection), count

    where = str(now) if isinstance(now, Path) else f"{now.host}:{now.port}, database {now.database}"
    known = (_kind(now), where)
    try:
        version, number, (domains, accounts, frozen, aliases, grants) = directory.reading(look)
    except PosthouseError as error:
        return Standing(*known, *(None,) * 7, error.message, pending())
    return Standing(*known, version, number, domains, accounts, frozen, aliases, grants, None, pending())
