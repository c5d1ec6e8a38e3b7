"""PostgreSQL: the directory's database, where the site file wants it on this host (PostgreSQL 15, 17).

Debian's own cluster `main`, by its unix socket: every daemon is known by its Unix user (peer authentication), so
there are no passwords and Debian's pg_hba.conf stays as it is. A cluster that was there before is used as it is;
a new one gets `SETTINGS` once. If it is down, mail is answered with temporary errors until it is back.

Nothing where the directory is SQLite, or PostgreSQL elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posthouse.directory.backend import SOCKETS
from posthouse.resources import Blueprint, Package, Program, Service
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

USER = "postgres"
MAJOR = {12: 15, 13: 17}  # Debian's release -> PostgreSQL's


@dataclass(frozen=True)
class Cluster:
    """A cluster of postgresql-common: pg_ctlcluster(1) knows it by `major` and `name`."""

    major: int
    name: str = "main"

    @property
    def data(self) -> Path:
        """Where the data is."""
        return Path(f"/var/lib/postgresql/{self.major}/{self.name}")

    @property
    def etc(self) -> Path:
        """Where the settings are."""
        return Path(f"/etc/postgresql/{self.major}/{self.name}")

    @property
    def settings(self) -> Path:
        """The file with our settings."""
        return self.etc / "conf.d/posthouse.conf"

    @property
    def unit(self) -> str:
        """Its unit."""
        return f"postgresql@{self.major}-{self.name}.service"

    @property
    def words(self) -> tuple[str, str]:
        """What postgresql-common's programs call it."""
        return str(self.major), self.name


SOCKET = SOCKETS / ".s.PGSQL.5432"


def cluster(debian: int) -> Cluster:
    """The cluster that a Debian release makes by itself."""
    return Cluster(MAJOR[debian])


def settings() -> str:
    """The settings of a cluster that is made for the directory alone."""
    return render("postgresql/posthouse.conf.j2")


def service(debian: int) -> Service:
    """The cluster as a service."""
    ours = cluster(debian)
    # One that was started outside of the manager (while the service was set up) makes way.
    alone = f"/usr/bin/pg_ctlcluster {' '.join(ours.words)} stop --mode fast || test $? -eq 2"
    run = ("/usr/bin/install", "-d", "-o", USER, "-g", USER, "-m", "2775", str(SOCKETS))
    argv = (f"/usr/lib/postgresql/{ours.major}/bin/postgres", "-D", str(ours.data))
    return Service(
        "postgresql",
        ours.unit,
        Program(
            (*argv, "-c", f"config_file={ours.etc}/postgresql.conf"),
            user=USER,
            before=(run, ("/bin/sh", "-c", alone)),
            stop_signal="INT",  # "fast": sessions end, what was committed stays
            stop_seconds=60,
        ),
        ready=(f"unix:{SOCKET}",),
        outlasts=True,
    )


def blueprint(wanted: Wanted) -> Blueprint:
    """What PostgreSQL on this host needs."""
    if wanted.server is None or not wanted.server.is_local:
        return Blueprint()
    return Blueprint(packages=(Package("postgresql"),), services=(service(wanted.release.debian),))
