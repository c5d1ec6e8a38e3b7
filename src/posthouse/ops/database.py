"""The directory's database as the site file wants it: made, running, with its schema, and the one in use.

What is in the directory is never moved here: where the site file names another database than the one in use,
that is said, and `posthouse directory move` is what does it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from posthouse import paths
from posthouse.directory import backend
from posthouse.directory.backend import Place, Server
from posthouse.errors import PosthouseError, UsageError
from posthouse.host import files, secret_file, services
from posthouse.host.run import run
from posthouse.host.services import ready
from posthouse.ops import cluster
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release
from posthouse.stack import postgresql

Note = Callable[[str], None]

PASSWORDS = (
    paths.STATE / "directory-passwords"
)  # root 0600: ROLE PASSWORD lines, of roles that Posthouse made
PEOPLE = ("mailreader", "mailwriter")
_READY_SECONDS = 90.0


def place(site: Site) -> Place:
    """Return where the site file wants the directory."""
    if site.directory.backend == "sqlite":
        return paths.DIRECTORY_DB
    return Server.local() if site.directory.url is None else Server.at(site.directory.url)


def in_use() -> Place | None:
    """Return where the directory is; None before there is one."""
    return backend.current() if backend.file().exists() or paths.DIRECTORY_DB.exists() else None


def check(site: Site) -> None:
    """UsageError where the directory is somewhere else than the site file says."""
    now, wanted = in_use(), place(site)
    if now is not None and now != wanted:
        raise UsageError(
            f"{paths.SITE_FILE}: directory: expected {named(now)}, where all accounts are now, found"
            f" {named(wanted)}",
            f"Write it back as it was, and say: {move_command(wanted)}",
        )


def named(where: Place) -> str:
    """Return a place in words."""
    if isinstance(where, Path):
        return "SQLite"
    return "PostgreSQL on this host" if where.is_local else f"PostgreSQL at {where.host}:{where.port}"


def move_command(where: Place) -> str:
    """Return the command that moves the directory to a place."""
    if isinstance(where, Path):
        return "posthouse directory move sqlite"
    if where.is_local:
        return "posthouse directory move postgresql"
    url = f"postgresql://{where.role}@{where.host}:{where.port}/{where.database}"
    return f"posthouse directory move postgresql --url {url} --password-file FILE"


def awake(site: Site, release: Release, ground: Ground, note: Note) -> None:
    """Have a PostgreSQL of ours on this host run, where it was set up: at a container's start nothing does yet.

    PosthouseError where it does not start.
    """
    where = place(site)
    ours = isinstance(where, Server) and where.is_local and where == in_use()
    if ours and ready.connect(postgresql.service(release.debian).ready[0]) is not None:
        _start(release, ground, note)


def boot(site: Site, release: Release, ground: Ground) -> None:
    """Have the site file's database start at boot, where that is this host's: before it is in use, and not after.

    ServiceFailed. Without systemd it is the start of `posthouse up` that goes on with a move.
    """
    where = place(site)
    if isinstance(where, Server) and where.is_local and ground.manager == "systemd":
        services.manager(ground).enable(postgresql.service(release.debian))


def ensure(site: Site, release: Release, ground: Ground, note: Note = lambda _: None) -> None:
    """Have the site file's database there and running, with the program's schema; in use where none was.

    UsageError: the directory is somewhere else. PosthouseError: it cannot be made, reached or brought up to date.
    """
    check(site)
    make(site, release, ground, note)
    backend.switch(place(site))


def make(site: Site, release: Release, ground: Ground, note: Note) -> None:
    """Have the site file's database there, running and with its tables, whatever is in use. Raises as `ensure`."""
    from posthouse import directory

    where = place(site)
    if isinstance(where, Server):
        _watched()
        if where.is_local:
            _start(release, ground, note)
            _local(where, release)
        else:
            assert site.directory.password_file is not None
            remote(where, Path(site.directory.password_file))
    directory.migrate(where)


def _watched() -> None:
    """Have the empty map that Postfix watches. It stays: a process that finds it gone while it starts would fail."""
    made = paths.DIRECTORY_BACK.with_suffix(".db")
    if not made.exists():
        files.write_atomic(paths.DIRECTORY_BACK, b"", paths.AGENT_USER, paths.DIRECTORY_GROUP, 0o640)
        # At the first `up` there is no main.cf yet, and postmap(1) wants one; it works as the owner of the text.
        settings = paths.RUN / "postmap"
        files.write_atomic(settings / "main.cf", b"compatibility_level = 3.6\n")
        run(["/usr/sbin/postmap", "-c", settings, f"hash:{paths.DIRECTORY_BACK}"])


def _start(release: Release, ground: Ground, note: Note) -> None:
    """Have the cluster there and running."""
    found = cluster.have(release, ground, note)
    service = postgresql.service(release.debian)
    manager = services.manager(ground)
    managed = manager.states([service])[service.name].running
    if not managed and ready.connect(service.ready[0]) is not None:
        note("starting PostgreSQL")
        if ground.manager == "systemd":
            manager.start(service)
            managed = True
        else:
            # supervisord may not know it yet; when it starts PostgreSQL, this one makes way
            start = ("/usr/bin/pg_ctlcluster", "--skip-systemctl-redirect", *found.words, "start")
            run(start, timeout=_READY_SECONDS)
    if managed:
        manager.wait_ready(service, _READY_SECONDS)
    elif problem := ready.wait(service.ready, _READY_SECONDS, lambda: ("coming", "it is starting")):
        raise PosthouseError(f"PostgreSQL does not answer: {problem}", "Its log is in /var/log/postgresql.")


def _local(server: Server, release: Release) -> None:
    """Have roles and database, as the cluster's superuser, and see that the roles get in."""
    from posthouse.directory import roles

    there = cluster.roles_there(release)
    known = passwords()
    for role in PEOPLE:
        if role not in there:
            known[role] = known.get(role) or secrets.token_urlsafe(18)
    lines = "".join(f"{role} {password}\n" for role, password in sorted(known.items()))
    if known and (not PASSWORDS.exists() or PASSWORDS.read_text() != lines):
        files.write_atomic(PASSWORDS, lines.encode(), mode=0o600)  # before the roles: never made and lost
    roles.create(server, known)
    cluster.check_access(server, release)


def passwords() -> dict[str, str]:
    """Return the passwords of the roles that Posthouse made for people, by role. PermissionError but for root."""
    try:
        return dict(line.split() for line in PASSWORDS.read_text().splitlines())
    except FileNotFoundError:
        return {}


def remote(server: Server, password_file: Path) -> None:
    """Have what a server elsewhere needs on this host, and there Postfix's and Dovecot's roles."""
    from posthouse import directory
    from posthouse.directory import roles

    roles.write_passfile(server, paths.AGENT_USER, read_password(password_file), role=server.role)
    missing = [user for user in roles.DAEMONS if not _has_passfile(server, user)]
    if not missing:
        return
    directory.migrate(server)
    for user, password in roles.create_remote(server).items():
        roles.write_passfile(server, user, password)
    directory.migrate(server)  # gives the new roles their rights


def _has_passfile(server: Server, user: str) -> bool:
    """Tell whether a daemon's passfile is there, and for that server."""
    try:
        text = backend.passfile(user).read_text()
    except FileNotFoundError:
        return False
    return text.startswith(f"{server.host}:{server.port}:{server.database}:{user}:")


def read_password(path: Path) -> str:
    """Return the password of the owner's role. UsageError where its file is not there, or not as it must be."""
    return secret_file.read_password(path, "directory.password_file")
