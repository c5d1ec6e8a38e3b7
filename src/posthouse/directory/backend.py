"""Which database the directory is, and what all code may do with a connection to it.

A place is the path of an SQLite database or a `Server`, PostgreSQL. Which one is in use stands in one small
file beside the SQLite database, so that a command need not read the site for it; where the file is missing,
it is SQLite. No secret stands there: PostgreSQL's are in passfiles (libpq-pgpass).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from posthouse import paths
from posthouse.errors import PosthouseError, UsageError

SOCKETS = Path("/var/run/postgresql")  # Debian's PostgreSQL
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # Debian's package ca-certificates
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


class Cursor(Protocol):
    """The rows of one answer."""

    @property
    def rowcount(self) -> int:
        """The number of rows that were changed."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What the functions of the directory use: sqlite3's own, or `postgresql.Connection`.

    SQL has `?` for each parameter on both, flags are integers (`active = 1`), and the dialect is what both take.
    """

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement. sqlite3.Error (to be `translated`) or PosthouseError."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run one statement for each of the rows, as `execute`."""

    def rollback(self) -> None:
        """Undo the open transaction."""

    def close(self) -> None:
        """Let the database go."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL database.

    `host`: a name, or the folder of a unix socket. `password_file`: a passfile that only `unix_user` may read.
    `unix_user`: who asks it on this machine, root included: the role's namesake where the server knows us by
    our Unix user (peer authentication); "" for whoever calls.
    """

    host: str = str(SOCKETS)
    port: int = 5432
    database: str = "mails"
    role: str = paths.AGENT_USER
    password_file: Path | None = None
    unix_user: str = paths.AGENT_USER

    def __post_init__(self) -> None:
        for value in (self.host.replace("/", "").replace(":", "") or "/", self.database, self.role):
            if not _PLAIN.fullmatch(value):
                raise UsageError(f"directory: {value!r} cannot stand in a PostgreSQL address", "Use letters,"
                                 " digits and . _ - only.")  # fmt: skip
        if not 0 < self.port < 65536:
            raise UsageError(f"directory: {self.port} is no port", "PostgreSQL's own is 5432.")

    @classmethod
    def local(cls, port: int = 5432) -> Server:
        """Debian's own cluster on this machine, by its unix socket and peer authentication."""
        return cls(port=port)

    @classmethod
    def at(cls, url: str) -> Server:
        """A server by its URL, postgresql://ROLE@HOST:PORT/DATABASE, over verified TLS.

        Its password is in `passfile()`. UsageError where the URL is another one, or holds a password.
        """
        try:
            parts = urlsplit(url)
            port = 5432 if parts.port is None else parts.port
        except ValueError as error:
            raise UsageError(f"directory.url: {error}", _FORM) from error
        database = unquote(parts.path.removeprefix("/"))
        if parts.password is not None:
            raise UsageError("directory.url: it holds a password", "Write that into directory.password_file.")
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not database:
            raise UsageError(f"directory.url: {url!r} is no such address", _FORM)
        if parts.query or parts.fragment:
            raise UsageError("directory.url: settings cannot stand in it; TLS is always verified", _FORM)
        role = unquote(parts.username or paths.AGENT_USER)
        return cls(parts.hostname, port, database, role, passfile(paths.AGENT_USER))

    @property
    def is_local(self) -> bool:
        """Whether it is reached by a unix socket of this machine."""
        return self.host.startswith("/")

    @property
    def settings(self) -> dict[str, Any]:
        """libpq's connection settings (libpq-connect), no secret among them."""
        found: dict[str, Any] = {
            "host": self.host,
            "port": str(self.port),
            "dbname": self.database,
            "user": self.role,
        }
        if not self.is_local:
            found |= {"sslmode": "verify-full", "sslrootcert": str(AUTHORITIES)}
            found["sslcert"] = "/nonexistent"  # none of ours; libpq would look for one in root's home
        if self.password_file is not None:
            found["passfile"] = str(self.password_file)
        return found

    def __str__(self) -> str:
        return f"PostgreSQL database {self.database} at {self.host}:{self.port}"


_FORM = "Write postgresql://ROLE@HOST:5432/DATABASE."
Place = Path | Server


def passfile(user: str) -> Path:
    """Return where the passfile of a Unix user stands (0600, its own; made by `roles.write_passfile`)."""
    return paths.DIRECTORY_DB.with_name(f"{user}.pgpass")


def file() -> Path:
    """Return the file that says which backend is in use."""
    return paths.DIRECTORY_DB.with_name("backend")


def current() -> Place:
    """Return the place in use. PosthouseError where the file that says it is damaged."""
    try:
        text = file().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return paths.DIRECTORY_DB  # who may not read this, may not read the database, and is told so there
    return parse(text)


def parse(text: str) -> Place:
    """Read what `line` wrote. PosthouseError where it is something else."""
    kind, *rest = text.split() or [""]
    values = dict(item.partition("=")[::2] for item in rest)
    try:
        if kind == "sqlite" and not rest:
            return paths.DIRECTORY_DB
        if kind == "postgresql" and set(values) == set(_FIELDS):
            secret = values["password_file"]
            return Server(
                values["host"],
                int(values["port"]),
                values["database"],
                values["role"],
                Path(secret) if secret else None,
                values["unix_user"],
            )
    except (ValueError, UsageError):
        pass
    raise PosthouseError(
        f"{file()}: expected the directory's backend, found {text.strip()!r}",
        "`posthouse apply` writes it anew",
    )


_FIELDS = ("host", "port", "database", "role", "password_file", "unix_user")


def line(place: Place) -> str:
    """Return a place as one line, for `parse`."""
    if isinstance(place, Path):
        return "sqlite\n"
    values = {name: getattr(place, name) or "" for name in _FIELDS}
    return " ".join(["postgresql", *(f"{name}={value}" for name, value in values.items())]) + "\n"


def switch(place: Place) -> bool:
    """Make `place` the directory in use from the next command on; True where it was another one.

    One atomic step. Said by root, it is done as the folder's owner. The agent sees it within a second and
    begins anew. Raises PosthouseError where it cannot be written.
    """
    if current() == place and file().exists():
        return False
    from posthouse.host.accounts import drop_to
    from posthouse.host.files import write_atomic

    def work() -> None:
        target = file()
        owner = target.parent.owner()
        write_atomic(target, line(place).encode(), owner, target.parent.group(), 0o640)

    if os.geteuid() == 0 and (owner := file().parent.owner()) != "root":
        drop_to(owner, work)
    else:
        work()
    return True
