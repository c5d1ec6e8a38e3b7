"""PostgreSQL's cluster on this host: made where there is none, and used as it is where it was there before.

A cluster is ours where its package came with Posthouse, or where Posthouse made it: it gets `posthouse.conf`
once, and goes with the machine to the next Debian's PostgreSQL (pg_upgradecluster(1)). In any other, roles and
the database `mails` are all that is added; where that cannot work, it is said what would have to be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse import paths
from posthouse.directory.backend import SOCKETS, Server
from posthouse.errors import UsageError
from posthouse.host import files
from posthouse.host.packages import brought
from posthouse.host.run import CommandFailed, run
from posthouse.site.release import Ground, Release
from posthouse.stack import postgresql
from posthouse.stack.postgresql import Cluster

Note = Callable[[str], None]

PORT = "5432"
# There while a cluster of an earlier PostgreSQL is carried over: what stands in the new one may be half of it.
_CARRYING = paths.STATE / "cluster-upgrade"
_SECONDS = 3600.0
_DAEMONS = ("postfix", "dovecot")


@dataclass(frozen=True)
class _Listed:
    cluster: Cluster
    port: str


def check(release: Release) -> None:
    """UsageError where a cluster is there that is not reached as Posthouse reaches it. Changes nothing."""
    cluster = postgresql.cluster(release.debian)
    listed = _listed()
    mine = next((one for one in listed if one.cluster == cluster), None)
    holder = next((one for one in listed if one.port == PORT), None)
    if mine is not None and mine.port != PORT and not _is_successor(cluster, holder):
        name = "/".join(cluster.words)
        taken = f"; {'/'.join(holder.cluster.words)} has that one" if holder else ""
        older = holder is not None and holder.cluster.major < cluster.major
        raise UsageError(
            f"PostgreSQL's cluster {name}: expected port {PORT}, found {mine.port}{taken}; nothing of it was"
            " changed",
            _successor_words(holder.cluster, cluster) if older and holder else _port_words(cluster),
        )
    if mine is None and holder is not None and not _is_successor(cluster, holder):
        raise UsageError(
            f"expected PostgreSQL's cluster {'/'.join(cluster.words)} at port {PORT}, found"
            f" {'/'.join(holder.cluster.words)}; nothing of it was changed",
            _successor_words(holder.cluster, cluster),
        )
    if mine is not None and str(SOCKETS) not in (folders := _setting(cluster, "unix_socket_directories")):
        raise UsageError(
            f"{cluster.etc}/postgresql.conf: unix_socket_directories: expected {SOCKETS} among them, found"
            f" {folders or 'none'}; nothing of it was changed",
            f"Add {SOCKETS}, and say `systemctl restart {cluster.unit}`; or keep the directory in SQLite.",
        )


def have(release: Release, ground: Ground, note: Note) -> Cluster:
    """Have the cluster there, with our settings where it is ours and new. UsageError as `check`."""
    cluster = postgresql.cluster(release.debian)
    check(release)
    holder = next((one for one in _listed() if one.port == PORT), None)
    if _is_successor(cluster, holder) and holder is not None:
        _carry(holder.cluster, cluster, note)
    if _CARRYING.exists():
        _end_carrying(cluster, ground, note)
    ours = _is_ours(cluster)
    if not cluster.etc.exists():
        note(f"making PostgreSQL's cluster {'/'.join(cluster.words)}")
        run(["/usr/bin/pg_createcluster", *cluster.words], timeout=300)
        ours = True
    if ours and _is_new(cluster) and not cluster.settings.exists():
        files.write_atomic(cluster.settings, postgresql.settings().encode())
    return cluster


def roles_there(release: Release) -> set[str]:
    """Return the names of the cluster's roles. UsageError where its superuser is not let in."""
    try:
        argv = ["psql", "-XAtqc", "SELECT rolname FROM pg_roles", "postgres"]
        return set(run(argv, user=postgresql.USER).stdout.split())
    except CommandFailed as error:
        raise UsageError(
            f"PostgreSQL does not let its superuser in by the Unix user {postgresql.USER}: {_words(error)}",
            _hba(release, "local all postgres peer"),
        ) from error


def check_access(server: Server, release: Release) -> None:
    """UsageError where PostgreSQL lets one of our roles, which are there, not in by its Unix user."""
    for role in (server.role, *_DAEMONS):
        try:
            run(["psql", "-XAtqc", "SELECT 1", "-U", role, server.database], user=role)
        except CommandFailed as error:
            said = _words(error)
            hint = _hba(release, f"local {server.database} {','.join((server.role, *_DAEMONS))} peer")
            if "not permitted to log in" in said:
                hint = f"Say as PostgreSQL's superuser: ALTER ROLE {role} LOGIN;  and then this again."
            raise UsageError(
                f"PostgreSQL does not let the role {role} in by the Unix user of its name: {said}", hint
            ) from error


def is_carried(debian: int) -> bool:
    """Tell whether the cluster of a Debian goes with the machine to the next: it came with Posthouse."""
    return _is_ours(postgresql.cluster(debian))


def _listed() -> list[_Listed]:
    """Return all clusters of this machine; none where PostgreSQL is not installed."""
    try:
        lines = run(["/usr/bin/pg_lsclusters", "--no-header"], check=False).stdout.splitlines()
    except CommandFailed:
        return []
    rows = [line.split() for line in lines if line.strip()]
    return [_Listed(Cluster(int(row[0]), row[1]), row[2]) for row in rows if row[0].isdigit()]


def _setting(cluster: Cluster, name: str) -> str:
    done = run(["/usr/bin/pg_conftool", "--short", *cluster.words, "show", name], check=False)
    # PostgreSQL of Debian is built with this folder.
    return done.stdout.strip() if done.returncode == 0 else str(SOCKETS)


def _is_ours(cluster: Cluster) -> bool:
    """Tell whether a cluster was made by a package that came with Posthouse."""
    package = f"postgresql-{cluster.major}"
    return any(name.partition(":")[0] == package for name in brought.packages() or ())


def _is_new(cluster: Cluster) -> bool:
    """Tell whether nobody made a database in a cluster yet: it has template0, template1 and postgres."""
    return len([entry for entry in (cluster.data / "base").iterdir() if entry.name.isdigit()]) <= 3


def _is_successor(cluster: Cluster, holder: _Listed | None) -> bool:
    """Tell whether the directory's port is still held by our cluster of the Debian before, and may be handed on."""
    if holder is None or holder.cluster.name != cluster.name or holder.cluster.major >= cluster.major:
        return False
    fresh = not cluster.etc.exists() or _is_new(cluster) or _CARRYING.exists()
    return fresh and _is_ours(holder.cluster)


def _carry(old: Cluster, new: Cluster, note: Note) -> None:
    """Carry everything of an earlier PostgreSQL's cluster over.

    By dump and restore, so that no index depends on the order of characters of the system before. The port goes from
    one to the other when all is there, which is how a call that was cut off is told from one that was through.
    """
    note(f"carrying PostgreSQL's cluster {'/'.join(old.words)} over to {new.major}")
    files.write_atomic(_CARRYING, b"")
    if new.etc.exists():
        run(["/usr/bin/pg_dropcluster", "--stop", *new.words], timeout=300)
    run(["/usr/bin/pg_upgradecluster", "-v", str(new.major), *old.words], timeout=_SECONDS)


def _end_carrying(new: Cluster, ground: Ground, note: Note) -> None:
    """Give the new cluster the settings of conf.d, which pg_upgradecluster(1) leaves behind; the old one is at rest."""
    for old in [one.cluster for one in _listed() if one.cluster.name == new.name and one.cluster != new]:
        for part in sorted(old.settings.parent.glob("*.conf")):
            files.write_atomic(new.settings.with_name(part.name), part.read_bytes())
        run(["/usr/bin/pg_ctlcluster", *old.words, "stop"], check=False, timeout=300)
        if ground.manager == "systemd":
            run(["systemctl", "disable", old.unit], check=False)
        note(
            f"{old.data} holds what it was until now; once all is well: pg_dropcluster {' '.join(old.words)}"
        )
    run(["/usr/bin/pg_ctlcluster", *new.words, "restart"], timeout=300)
    files.remove(_CARRYING)


def _successor_words(old: Cluster, new: Cluster) -> str:
    drop = f"`pg_dropcluster --stop {' '.join(new.words)}` if nothing is in it, then " * new.etc.exists()
    return (
        f"Debian's own way to carry it over: {drop}`pg_upgradecluster {' '.join(old.words)}`; then say the same"
        " again. Or keep the directory in SQLite."
    )


def _port_words(cluster: Cluster) -> str:
    file = f"{cluster.etc}/postgresql.conf or its conf.d"
    return (
        f"Posthouse asks at port {PORT}. Give it that one (port = {PORT} in {file}, then"
        f" `systemctl restart {cluster.unit}`), and tell your programs; or keep the directory in SQLite: leave"
        " `--directory postgresql` out."
    )


def _hba(release: Release, line: str) -> str:
    cluster = postgresql.cluster(release.debian)
    return (
        f"Put this line above all others into {cluster.etc}/pg_hba.conf:\n    {line}\n"
        f"  then say `pg_ctlcluster {' '.join(cluster.words)} reload`, and this again."
    )


def _words(error: CommandFailed) -> str:
    return " ".join(error.said.split()) or error.message
