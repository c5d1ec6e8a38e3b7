"""PostgreSQL's roles for the directory: who may do what in it, and how each gets in.

    role         rights                                              comes in as
    posthouse    owns database and tables: our commands, the agent   Unix user posthouse, or password_file
    postfix      SELECT, passwords excepted                          Unix user postfix, or its passfile
    dovecot      SELECT on what a login and a mailbox need           Unix user dovecot, or its passfile
    mailreader   SELECT                                              a password
    mailwriter   SELECT, INSERT, UPDATE, DELETE on three tables      a password
    PUBLIC       nothing

A password never travels as text: PostgreSQL is given its SCRAM verifier (libpq, PQencryptPasswordConn).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from psycopg import sql

from posthouse import paths
from posthouse.directory import backend, postgresql
from posthouse.directory.backend import Server
from posthouse.directory.postgresql import Connection
from posthouse.errors import PosthouseError, UsageError

SUPERUSER = "postgres"
DAEMONS = ("postfix", "dovecot")
PEOPLE = ("mailreader", "mailwriter")
_OURS = (
    "transport", "users", "virtual", "grants", "app_passwords", "verifiers", "relay_logins", "posthouse_schema",
)  # fmt: skip
_VIEWS = ("postfix_mailboxes", "postfix_virtual")
RIGHTS: Mapping[str, tuple[str, ...]] = {
    "postfix": (
        "SELECT (COLUMNS) ON users",  # all but the password
        "SELECT ON transport, virtual, postfix_mailboxes, postfix_virtual",
    ),
    "dovecot": ("SELECT ON users, transport, virtual, app_passwords, verifiers",),
    "mailreader": ("SELECT ON transport, users, virtual, grants, postfix_mailboxes, postfix_virtual",),
    "mailwriter": (
        "SELECT, INSERT, UPDATE, DELETE ON transport, users, virtual",
        "SELECT ON postfix_mailboxes, postfix_virtual",
    ),
}


def grant(connection: Connection) -> None:
    """Give every role that is there exactly its rights on the tables; for the owner, in its transaction."""
    execute = connection.execute
    # Only what is ours: another program may have tables of its own in a database made by hand.
    tables = ", ".join((*_OURS, *_VIEWS))
    execute(f"REVOKE ALL ON {tables} FROM PUBLIC")
    execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    functions = execute(
        """SELECT oid::regprocedure FROM pg_proc
           WHERE proname LIKE 'posthouse%' AND pronamespace = 'public'::regnamespace"""
    ).fetchall()
    for (function,) in functions:
        execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    strangers = execute(
        """SELECT rolname FROM pg_class, aclexplode(relacl) JOIN pg_roles ON pg_roles.oid = grantee
           WHERE pg_class.oid = ANY (?::regclass[]) AND grantee <> relowner
           UNION SELECT rolname FROM pg_attribute, aclexplode(attacl) JOIN pg_roles ON pg_roles.oid = grantee
           WHERE attrelid = ANY (?::regclass[])""",
        ([*_OURS, *_VIEWS], [*_OURS, *_VIEWS]),
    ).fetchall()
    for (role,) in strangers:
        if role not in RIGHTS:
            execute(f"REVOKE ALL ON {tables} FROM {_name(connection, role)}")
    named = execute(
        """SELECT attname FROM pg_attribute WHERE attrelid = 'public.users'::regclass AND attnum > 0
           AND NOT attisdropped AND attname <> 'password' ORDER BY attnum"""
    )
    columns = ", ".join(_name(connection, row[0]) for row in named)
    for role, rights in RIGHTS.items():
        if not _exists(connection, role):
            continue
        execute(f"REVOKE ALL ON {tables} FROM {role}")
        execute(f"REVOKE ALL ON SCHEMA public FROM {role}")
        execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        for right in rights:
            execute(f"GRANT {right.replace('COLUMNS', columns)} TO {role}")


def create(server: Server, passwords: Mapping[str, str] | None = None) -> bool:
    """Make roles and database in the cluster of this machine, as its superuser; True where anything was made.

    What is there is kept: a role's password, a database's rows. A database of somebody else becomes ours with
    its tables `transport`, `users`, `virtual` and their views; then `migrate` brings them up to date.

    Args:
        server: the directory as `Server.local()`.
        passwords: of `mailreader` and `mailwriter`, for a role that is not there yet; without, such a role
            cannot log in.

    Raises:
        PosthouseError: the cluster cannot be asked, or this is not root.
    """
    if not server.is_local:
        raise UsageError(f"{server} is not on this machine", "Its administrator makes roles and database.")
    root = replace(server, role=SUPERUSER, database="postgres")
    given = dict(passwords or {})

    def work() -> bool:
        with closing(postgresql.connect(root)) as connection:
            _check_ours(connection, root, server)
            made = [_role(connection, name, None) for name in (server.role, *DAEMONS)]
            made += [_role(connection, name, given.get(name)) for name in PEOPLE]
            made.append(_database(connection, server))
        with closing(postgresql.connect(replace(root, database=server.database))) as connection:
            for statement in _ownership(connection, server):
                connection.execute(statement)
        return any(made)

    return postgresql.as_user(SUPERUSER if server.unix_user else "", work)


def create_remote(server: Server) -> dict[str, str]:
    """Make the roles of Postfix and Dovecot at another machine's server, and return new passwords of theirs.

    They are for `write_passfile`, and passwords of before are no longer good. The server's own role must own the
    database and may make roles (CREATEROLE).

    Raises:
        PosthouseError: it may not; the hint has the SQL for the server's administrator.
    """

    def work() -> dict[str, str]:
        made = {}
        with closing(postgresql.connect(server)) as connection:
            connection.begin()
            for name in DAEMONS:
                made[name] = secrets.token_urlsafe(32)
                try:
                    if not _role(connection, name, made[name]):
                        connection.execute(_with_password(connection, "ALTER", name, made[name]))
                except PosthouseError as error:
                    raise PosthouseError(
                        f"the role {server.role} may not make or change the role {name}: {error.message}",
                        _for_the_administrator(connection, server),
                    ) from error
            for statement in _ownership(connection, server):
                connection.execute(statement)
            connection.execute("COMMIT")
        return made

    return postgresql.as_user(server.unix_user, work)


def write_passfile(server: Server, user: str, password: str, role: str | None = None) -> Path:
    """Write the passfile of a Unix user for its role of the same name (or `role`), and return its path.

    Raises:
        PosthouseError: the password holds a line end, or the file cannot be written.
    """
    from posthouse.host.files import write_atomic

    if not password or set(password) & set("\r\n\0"):
        raise UsageError("directory.password_file: expected one line, the password", "Write it as one line.")
    fields = (server.host, str(server.port), server.database, role or user, password)
    text = ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields)
    target = backend.passfile(user)
    if os.geteuid() == 0:
        write_atomic(target, f"{text}\n".encode(), user, paths.DIRECTORY_GROUP, 0o600)
    else:
        write_atomic(target, f"{text}\n".encode(), target.parent.owner(), target.parent.group(), 0o600)
    return target


def _for_the_administrator(connection: Connection, server: Server) -> str:
    """SQL for another server's administrator, where a role is there that is not ours (PostgreSQL 16), or may not be."""
    connection.rollback()
    owner, database = _name(connection, server.role), _name(connection, server.database)
    lines = [f"ALTER DATABASE {database} OWNER TO {owner};", f"ALTER ROLE {owner} CREATEROLE;"]
    lines += [f"GRANT {role} TO {owner} WITH ADMIN OPTION;" for role in DAEMONS if _exists(connection, role)]
    return f"Let the administrator of {server.host} say, and say this again:\n    " + "\n    ".join(lines)


def _exists(connection: Connection, role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = ?", (role,)).fetchone() is not None


def _role(connection: Connection, name: str, password: str | None) -> bool:
    if _exists(connection, name):
        return False
    if password is None:
        connection.execute(f"CREATE ROLE {_name(connection, name)} LOGIN")
    else:
        connection.execute(_with_password(connection, "CREATE", name, password))
    return True


def _with_password(connection: Connection, verb: str, name: str, password: str) -> str:
    secret = connection.raw.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    verifier = sql.Literal(secret).as_string(connection.raw)
    return f"{verb} ROLE {_name(connection, name)} LOGIN PASSWORD {verifier}"


def _check_ours(connection: Connection, root: Server, server: Server) -> None:
    """UsageError where the database is there, and is another program's: it has tables, and not all of a directory's."""
    owner = connection.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = ?", (server.database,)
    ).fetchone()
    if owner is None or owner[0] == server.role:
        return
    with closing(postgresql.connect(replace(root, database=server.database))) as inside:
        rows = inside.execute(
            """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')
               AND relnamespace = 'public'::regnamespace ORDER BY relname"""
        )
        tables = [row[0] for row in rows]
    if tables and not {"transport", "users", "virtual"}.issubset(tables):
        raise UsageError(
            f"the database {server.database}: expected none, or one with the tables transport, users and virtual;"
            f" found one of {owner[0]} with {', '.join(tables[:5])}{', ...' * (len(tables) > 5)}; it was left"
            " alone",
            f"Give it another name (ALTER DATABASE {server.database} RENAME TO ...) and say this again; or keep the"
            " directory in SQLite.",
        )


def _database(connection: Connection, server: Server) -> bool:
    found = connection.execute(
        "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = ?", (server.database,)
    ).fetchone()
    if found is not None:
        if found[0] not in ("UTF8", "SQL_ASCII"):
            raise PosthouseError(
                f"the database {server.database} is encoded as {found[0]}, expected UTF8",
                "dump it (pg_dump -E UTF8), drop it, and restore it into one made with ENCODING 'UTF8'",
            )
        return False
    connection.execute(
        f"CREATE DATABASE {_name(connection, server.database)} OWNER {_name(connection, server.role)} "
        "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0"
    )
    return True


def _ownership(connection: Connection, server: Server) -> list[str]:
    """SQL that makes the database `server.role`'s, and lets in nobody but our roles."""
    owner, database = _name(connection, server.role), _name(connection, server.database)
    there = {
        row[0]: row[1]
        for row in connection.execute(
            "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
    }
    roles = [role for role in (*DAEMONS, *PEOPLE) if _exists(connection, role)]
    found = [
        f"ALTER DATABASE {database} OWNER TO {owner}",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        *(f"REVOKE ALL ON DATABASE {database} FROM {role}" for role in roles),
        *(f"GRANT CONNECT ON DATABASE {database} TO {role}" for role in roles),
    ]
    found += [f"ALTER TABLE public.{name} OWNER TO {owner}" for name in _OURS if there.get(name) == "r"]
    found += [f"ALTER VIEW public.{name} OWNER TO {owner}" for name in _VIEWS if there.get(name) == "v"]
    return found


def _name(connection: Connection, name: str) -> str:
    return sql.Identifier(name).as_string(connection.raw)
