"""What a purge would do, looked up before anything is done, and shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posthouse import paths
from posthouse.directory import backend
from posthouse.engine import generations
from posthouse.engine.found import Found
from posthouse.errors import UsageError
from posthouse.host.packages import brought
from posthouse.host.packages.removal import Removable, removable
from posthouse.ops.context import Base
from posthouse.ops.purge.script import Rest
from posthouse.stack import postgresql
from posthouse.stack.apt import BINARIES

KEPT = paths.STATE / "kept"  # root's alone: what the next `up` takes over again
MAIL_IS_OURS = KEPT / "mail-came-with-posthouse"  # a purge kept it: it was not here before the first `up`
PACKAGES_ARE_OURS = KEPT / "packages-that-came-with-posthouse"  # and these: PostgreSQL, with what it needs
STATE = {path: KEPT / path.name for path in (paths.DIRECTORY, paths.DKIM, paths.SRS, paths.TLS, paths.ACME)}
MAIL = (paths.STORE, paths.MDBOX, paths.SIEVE, paths.INDEXES)
COMPLETION = Path("/usr/local/share/bash-completion/completions/posthouse")
_QUEUES = ("incoming", "active", "deferred", "hold", "maildrop", "corrupt")
_CLUSTERS = tuple(postgresql.cluster(debian) for debian in postgresql.MAJOR)
# What a daemon leaves behind when its package is purged: files of its own, then folders that may be empty.
_LEFT = {
    "dovecot-core": ((Path("/var/lib/dovecot"),), (Path("/etc/dovecot/conf.d"), Path("/etc/dovecot"))),
    "postfix": ((), (Path("/etc/postfix"),)),
    "postfix-mta-sts-resolver": ((Path("/var/lib/mta-sts"),), ()),
    "postgresql-common": (
        tuple(one.settings for one in _CLUSTERS),
        (
            *(folder for one in _CLUSTERS for folder in (one.settings.parent, one.etc, one.etc.parent)),
            *(Path("/etc/postgresql"), Path("/var/lib/postgresql")),
        ),
    ),
    "redis-server": ((), (Path("/etc/redis"),)),
    "rspamd": ((), (Path("/etc/rspamd"),)),
    "unbound": ((Path("/run/unbound.ctl"),), (Path("/etc/unbound"),)),
}
_STAMPS = Path("/var/lib/systemd/timers")
# Whom Debian's packages make and leave behind, and what generations made that are gone by now. A package that stays,
# since something else needs it, keeps its own: dpkg fails where one of its files is a group's that is gone.
_MADE_BY = {
    "dovecot-core": ("dovecot", "dovenull"),
    "opendkim": ("opendkim",),
    "opendmarc": ("opendmarc",),
    "postfix": ("postfix", "postdrop"),
    "postfix-mta-sts-resolver": ("_mta-sts",),
    "postfix-policyd-spf-python": ("policyd-spf",),
    "postgresql-common": ("postgres",),
    "redis-server": ("redis",),
    "redis-tools": ("redis",),
    "rspamd": ("_rspamd",),
    "spamassassin": ("debian-spamd",),
    "spamd": ("debian-spamd",),
    "ssl-cert": ("ssl-cert",),
    "unbound": ("unbound",),
}
_NAMES = (
    *dict.fromkeys(name for names in _MADE_BY.values() for name in names),
    *("posthouse", "posthouse-learn", "posthouse-directory", "posthouse-dkim", paths.GATE_USER),
)


@dataclass(frozen=True)
class Way:
    """A purge: the packages (None: nobody kept account, so all stay), the queue, and what is left for the script."""

    packages: Removable | None
    queue: int
    with_mail: bool
    rest: Rest

    @property
    def postfix_goes(self) -> bool:
        """Tell whether the queue would go with Postfix."""
        return self.packages is not None and any(n.startswith("postfix:") for n in self.packages.goes)


def database_left(found: Way) -> str | None:
    """Return the PostgreSQL database that a purge leaves though mail shall go: it stands in one that is not ours."""
    where = backend.current()
    if isinstance(where, Path) or not found.with_mail:
        return None
    goes = found.packages.goes if found.packages else ()
    if where.is_local and any(name.startswith("postgresql-common:") for name in goes):
        return None
    return f"the database {where.database} {'on this host' if where.is_local else f'at {where.host}'}"


def waiting() -> int:
    """Count the messages in Postfix's queue by its files, whether Postfix runs or not."""
    return sum(1 for name in _QUEUES for path in (paths.POSTFIX_SPOOL / name).rglob("*") if path.is_file())


def look(base: Base, *, with_mail: bool) -> Way:
    """Return what a purge would do. UsageError where mail shall go that was here before Posthouse."""
    found = Found.load(base.engine.store)
    folders = {Path(name): record for name, record in found.directories.items()}
    older = [] if MAIL_IS_OURS.exists() else [path for path in MAIL if folders.get(path)]
    if with_mail and older:
        raise UsageError(
            f"{older[0]} was here before Posthouse: a purge gives the machine back as it was found.",
            "Leave --with-mail out, and remove the mail by hand if it shall go.",
        )
    packages = removable(lambda name: name.startswith("postgresql") and not with_mail)
    return Way(packages, waiting(), with_mail, _rest(base, found, packages, with_mail))


def _rest(base: Base, found: Found, packages: Removable | None, with_mail: bool) -> Rest:
    goes = packages.goes if packages else ()
    # Maintainer scripts use other packages that came with theirs (ucf): these go last, and what needs a daemon with it.
    daemons = [name for name in goes if name.startswith((*BINARIES, "postgresql"))]
    users, groups = _accounts(base, with_mail, _needed(packages))
    made = [Path(name) for name, record in found.directories.items() if record is None]
    restored = {
        Path(name): (record["owner"], record["group"], int(record["mode"]))
        for name, record in found.directories.items()
        if record is not None
    }
    beside = brought.was_there("files")
    left = [_LEFT[name] for one in goes if (name := one.partition(":")[0]) in _LEFT]
    return Rest(
        packages=(daemons, [name for name in goes if name not in daemons]),
        automatic=brought.were_automatic(),
        users=users,
        groups=groups,
        folders=_folders(found, [*made, *(path for _, folders in left for path in folders)]),
        restored=restored,
        removed=(
            *(MAIL if with_mail else ()),
            *([paths.STATE] if with_mail else _state_but_kept()),
            *(path for path in brought.BESIDE if beside is not None and str(path) not in beside),
            *(path for files, _ in left for path in files),
            paths.LISTS_OFF,
            *sorted(_STAMPS.glob("stamp-posthouse-*")),
            paths.ETC,
            paths.RUN,
            paths.LOG,
            paths.PROGRAM,
            COMPLETION,
        ),
        kept={} if with_mail else STATE,
    )


def _needed(packages: Removable | None) -> set[str]:
    """Return users and groups of packages that stay: of all, where nobody kept account."""
    if packages is None:
        return {made for names in _MADE_BY.values() for made in names}
    stay = (brought.packages() or set()) - set(packages.goes)
    return {made for name in stay for made in _MADE_BY.get(name.partition(":")[0], ())}


def _accounts(base: Base, with_mail: bool, needed: set[str]) -> tuple[list[str], list[str]]:
    """Return users and groups that came with the service; those that were there before stay."""
    old_users, old_groups = brought.was_there("users"), brought.was_there("groups")
    if old_users is None or old_groups is None:
        return [], []
    users, groups = dict.fromkeys(_NAMES), dict.fromkeys(_NAMES)
    store = base.engine.store
    for number in generations.numbers(store):
        label = generations.load(store, number)
        if blueprint := generations.blueprint(store, number, label.platform):
            users |= dict.fromkeys(user.name for user in blueprint.users)
            groups |= dict.fromkeys(group.name for group in blueprint.groups)
    stay = needed if with_mail else {*needed, paths.STORE_USER}  # the mail is his
    again: set[str] = set()  # an earlier purge kept them, so that they were there when this service began
    if MAIL_IS_OURS.exists():
        again.add(paths.STORE_USER)
    if PACKAGES_ARE_OURS.exists():
        names = {name.partition(":")[0] for name in PACKAGES_ARE_OURS.read_text().split()}
        again.update(made for name in names for made in _MADE_BY.get(name, ()))
    return (
        [name for name in users if name not in (old_users - again) | stay],
        [name for name in groups if name not in (old_groups - again) | stay],
    )


def _state_but_kept() -> list[Path]:
    if not paths.STATE.is_dir():
        return []
    return sorted(path for path in paths.STATE.iterdir() if path != KEPT and path not in STATE)


def _folders(found: Found, made: list[Path]) -> list[Path]:
    """Return the folders that may be empty now and were made with what was in them, the deepest first."""
    inside = [Path(name) for name, records in found.files.items() if records[-1]["kind"] == "absent"]
    folders = {parent for path in (*inside, COMPLETION) for parent in path.parents if len(parent.parts) > 3}
    folders |= {*made, COMPLETION.parent, COMPLETION.parents[1], KEPT.parent}
    return sorted(folders, key=lambda path: (-len(path.parts), str(path)))
