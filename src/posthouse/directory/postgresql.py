"""The directory in PostgreSQL (15, 17): connections to it, by psycopg 3.

Whoever asks must be the server's `unix_user`: locally PostgreSQL knows him by that (peer authentication), and
elsewhere only he may read the passfile. Every wait has an end: for the connection, a lock, a statement, and
for a peer that is gone (libpq-connect).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from posthouse.directory import schema
from posthouse.directory.backend import Server
from posthouse.directory.refusals import BUSY_SECONDS, Refused, Unreachable
from posthouse.errors import PosthouseError, UsageError

T = TypeVar("T")

WAITS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms
}
STATEMENT_SECONDS = 60.0
WRITERS = 0x706F7374  # the advisory lock of whoever changes the directory by our commands
# Plans of foreign keys, made while a table is small, are kept for as many rows as come then: never by whole tables.
_SESSION = """SET search_path = public; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;
    SET lock_timeout = {lock}; SET statement_timeout = {statement};
    SET idle_in_transaction_session_timeout = 120000; SET default_transaction_read_only = {readonly};
    SET enable_seqscan = {readonly}"""


class Connection:
    """A connection with sqlite3's manners: `?` for parameters, no transaction until one is begun.

    Not for two threads at once. Every error comes as `Refused`, `Unreachable` or PosthouseError.
    """

    def __init__(self, raw: psycopg.Connection[Any], server: Server) -> None:
        self.raw = raw
        self.server = server

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed ones included."""
        return self.raw.info.transaction_status != TransactionStatus.IDLE

    @property
    def closed(self) -> bool:
        """Whether it was closed, or lost."""
        return self.raw.closed or self.raw.broken

    def begin(self) -> None:
        """Begin a transaction, after every other that our commands have open."""
        self.execute("BEGIN")
        try:
            self.execute("SELECT pg_advisory_xact_lock(?)", (WRITERS,))
        except BaseException:
            self.rollback()
            raise

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        """Run one statement, or without parameters several; return its rows, all of which are here."""
        with translated(self.server):
            if not parameters:
                return self.raw.execute(sql.encode())
            return self.raw.execute(_marked(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> psycopg.Cursor[Any]:
        """Run one statement for each of the rows."""
        with translated(self.server):
            cursor = self.raw.cursor()
            cursor.executemany(_marked(sql), parameters)
            return cursor

    def rollback(self) -> None:
        """Undo the open transaction; with the connection lost, the server did so."""
        if self.in_transaction and not self.closed:
            with translated(self.server):
                self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Let the database go."""
        self.raw.close()


def _marked(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


@contextmanager
def translated(server: Server) -> Iterator[None]:
    """Turn PostgreSQL's errors into ours: a refusal in the constraint's own sentence, which is its name."""
    try:
        yield
    except (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
        raise Refused(_sentence(error)) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise PosthouseError(f"the directory: {_sentence(error)}", "`posthouse apply` gives each role its rights"
                             ) from error  # fmt: skip
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
        raise Unreachable(
            f"the directory: {_sentence(error)}",
            "another program has been writing for a while; pg_stat_activity shows which",
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise Unreachable(f"the directory: {server} cannot be asked: {said}", _hint(server, said)) from error
    except psycopg.Error as error:
        raise PosthouseError(f"the directory: {_sentence(error)}") from error


def _sentence(error: psycopg.Error) -> str:
    name = error.diag.constraint_name
    if name is not None and ": " in name:
        return name
    return error.diag.message_primary or " ".join(str(error).split())


def _hint(server: Server, said: str) -> str:
    if "authentication failed" in said or "no password supplied" in said:
        return (
            f"the role {server.role} logs in as the Unix user of its name; see pg_hba.conf"
            if server.is_local
            else f"put the right password of role {server.role} into directory.password_file"
        )
    if "does not exist" in said:
        return "`posthouse apply` makes what is missing"
    if "certificate" in said or "SSL" in said:
        return f"the server needs a certificate for the name {server.host}, by an authority that Debian knows"
    return "start PostgreSQL; mail waits meanwhile, and nothing is lost"


def connect(
    server: Server, *, readonly: bool = False, statement_seconds: float = STATEMENT_SECONDS
) -> Connection:
    """Return a connection as this process's own user, whatever the schema. PosthouseError.

    `statement_seconds`: the longest that one statement may take; 0 for no limit.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[
            name
        ]  # libpq would take what is not said here from the caller's environment (PGHOSTADDR)
    with translated(server):
        raw: psycopg.Connection[Any] = psycopg.connect(
            **server.settings, **WAITS, application_name="posthouse", autocommit=True, prepare_threshold=None
        )
    connection = Connection(raw, server)
    try:
        connection.execute(
            _SESSION.format(
                lock=int(BUSY_SECONDS * 1000),
                statement=int(statement_seconds * 1000),
                readonly="on" if readonly else "off",
            )
        )
    except BaseException:
        connection.close()
        raise
    return connection


def opened(
    server: Server, *, readonly: bool = False, statement_seconds: float = STATEMENT_SECONDS
) -> Connection:
    """Return a connection to a directory of this program's schema. PosthouseError."""
    connection = connect(server, readonly=readonly, statement_seconds=statement_seconds)
    try:
        schema.check(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


def asking(function: Callable[[Connection], T], server: Server, *, readonly: bool = False) -> T:
    """Call `function` with a connection, as the server's `unix_user`.

    Raises:
        PosthouseError: as `opened`, this process may not become that user, and whatever the function raises.
    """

    def call() -> T:
        with closing(opened(server, readonly=readonly)) as connection:
            return function(connection)

    return as_user(server.unix_user, call)


def as_user(user: str, function: Callable[[], T]) -> T:
    """Call `function` as a Unix user ("" for this one), in a child process where needed."""
    if not user:
        return function()
    if os.geteuid() != 0:
        import pwd

        try:
            if pwd.getpwnam(user).pw_uid == os.geteuid():
                return function()
        except KeyError:
            pass
        raise UsageError(f"only root or {user} may ask the directory", "say it again with sudo")
    from posthouse.host.accounts import drop_to

    return drop_to(user, function)
