"""A PostgreSQL cluster of the tests' own: Debian's programs, a temporary folder, a unix socket and no port."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from posthouse import directory
from posthouse.directory import postgresql, roles
from posthouse.directory.backend import Server
from posthouse.directory.postgresql import Connection

PASSWORDS = {"mailreader": "re'ad\\er", "mailwriter": 'wri"ter'}
HBA = """local all mailreader scram-sha-256
local all mailwriter scram-sha-256
local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class Cluster:
    """A running server: roles get in by their name, mailreader and mailwriter by their password."""

    def __init__(self, folder: Path, programs: Path, options: str = "", port: int = 5432) -> None:
        self.folder = folder
        self.port = port
        self.options = options
        self.programs = programs
        self._numbers = count(1)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as its user; return what it printed."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            user="postgres", group="postgres", extra_groups=[], cwd=self.folder, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = (
            f"-c port={self.port} -c listen_addresses= -c unix_socket_directories={self.folder} "
            f"-c fsync=off {self.options}"
        )
        self.run("pg_ctl", "-D", "data", "-w", "-l", f"{self.folder}/log", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop the server."""
        self.run("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def server(self, database: str = "mails", role: str = "posthouse") -> Server:
        """A database of it, as a role."""
        return Server(str(self.folder), self.port, database, role, unix_user="")

    def new(self) -> Server:
        """An empty directory in a database of its own."""
        server = self.server(f"mails{next(self._numbers)}")
        roles.create(server, PASSWORDS)
        assert directory.migrate(server)
        return server

    def psql(self, role: str, sql: str, database: str = "mails") -> subprocess.CompletedProcess[str]:
        """Type SQL into psql, as `role` with its password."""
        return subprocess.run(
            [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
             "-h", str(self.folder), "-p", str(self.port), "-U", role, "-d", database],
            input=sql, env={"PGPASSWORD": PASSWORDS.get(role, "")}, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


@contextmanager
def cluster(
    options: str = "", files: Mapping[str, bytes] | None = None, port: int = 5432
) -> Iterator[Cluster]:
    """Make a cluster with one directory in database `mails`, and take it away again.

    `options`: more of the server's own, `port`: its number, of the socket too; `files`: to stand in its data folder.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "the package postgresql is missing: script/test installs it"
    folder = Path(tempfile.mkdtemp(prefix="posthouse-postgresql-"))
    try:
        shutil.chown(folder, "postgres", "postgres")
        folder.chmod(0o755)
        made = Cluster(folder, found[-1], options, port)
        made.run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
        (folder / "data/pg_hba.conf").write_text(HBA)
        for name, data in (files or {}).items():
            (folder / "data" / name).write_bytes(data)
            shutil.chown(folder / "data" / name, "postgres", "postgres")
            (folder / "data" / name).chmod(0o600)
        made.start()
        try:
            roles.create(made.server(), PASSWORDS)
            assert directory.migrate(made.server())
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder)


def emptied(cluster: Cluster) -> Server:
    """Take everything out of the directory in `mails`."""
    with closing(root(cluster.server())) as connection:
        connection.execute(
            "TRUNCATE transport, users, virtual, grants, app_passwords, verifiers, relay_logins"
        )
    return cluster.server()


def root(server: Server) -> Connection:
    """A superuser's connection to a database."""
    return postgresql.connect(replace(server, role="postgres"))
