"""Where the old server's PostgreSQL is, and how its rows are brought into the form that ours takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posthouse.adoption.dovecot import Dovecot
from posthouse.adoption.postfix import Postfix
from posthouse.adoption.rows import Rows

NAME = "mails"  # what Posthouse's directory is called in a PostgreSQL of this machine
LOCAL = ("", "localhost", "127.0.0.1", "::1")
TABLES = ("virtual_mailbox_maps", "virtual_alias_maps", "virtual_maps", "transport_maps")


@dataclass(frozen=True)
class Place:
    """A database. `host` is empty where it is on this machine."""

    name: str
    host: str


def place(root: Path, postfix: Postfix, dovecot: Dovecot) -> tuple[Place | None, list[str]]:
    """Return where the accounts are, and what is in the way of taking them over."""
    problems = []
    files = []
    for parameter in TABLES:
        for kind, path in postfix.tables(parameter):
            if kind == "pgsql":
                files.append(path)
            elif parameter != "transport_maps" or kind not in ("inline", "static"):
                problems.append(
                    f"main.cf: {parameter} asks {kind}:{path}; accounts and aliases are taken over from PostgreSQL"
                    " only. Put its entries into the tables, and take it out of main.cf."
                )
    named = [_settings(root / path.lstrip("/")) for path in files]
    named.append({"dbname": dovecot.database.get("dbname", ""), "hosts": dovecot.database.get("host", "")})
    names = {found["dbname"] for found in named if found.get("dbname")}
    hosts = {found.get("hosts", "") for found in named if found.get("dbname")}
    away = sorted(host for host in hosts if host not in LOCAL and not host.startswith(("/", "unix:")))
    if away:
        problems.append(
            f"the database is on {away[0]}; only one on this machine is taken over. Afterwards it can move:"
            " directory.url in the site file."
        )
    if len(names) == 1 and names != {NAME}:
        problems.append(
            f"the database is called {min(names)}; rename it: ALTER DATABASE {min(names)} RENAME TO {NAME}"
        )
    if len(names) != 1:
        found = ", ".join(sorted(names)) or "none"
        problems.append(f"expected one PostgreSQL database behind Postfix and Dovecot, found {found}")
        return None, problems
    return Place(names.pop(), away[0] if away else ""), problems


def _settings(path: Path) -> dict[str, str]:
    """Return a pgsql_table(5) file as pairs."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def literal(value: object) -> str:
    """Return an SQL literal (standard_conforming_strings is on since PostgreSQL 9.1)."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def statements(rows: Rows, uid: int) -> Iterator[str]:
    """Yield the SQL that brings the database to these rows, in place; said twice, it does nothing new."""
    for domain in rows.domains:
        yield f"UPDATE transport SET domain = {literal(domain)}, transport = 'virtual:' WHERE lower(domain) = {literal(domain)} AND (domain, transport) IS DISTINCT FROM ({literal(domain)}, 'virtual:');"  # noqa: E501, S608
    for user in rows.users:
        values = {
            "userid": user.userid,
            "password": user.password,
            "uid": uid,
            "gid": uid,
            "home": user.home,
        }
        columns, said = ", ".join(values), ", ".join(literal(value) for value in values.values())
        # `mails` may be ours already: then renaming is refused, and not needed.
        sets = ", ".join(
            f"{name} = {literal(value)}"
            for name, value in values.items()
            if name != "userid" or user.userid != user.was
        )
        yield f"UPDATE users SET {sets} WHERE userid = {literal(user.was)} AND ({columns}) IS DISTINCT FROM ({said});"  # noqa: S608
    yield "DO $$ BEGIN IF (SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = 'virtual'::regclass AND i.indisprimary) = 1 THEN EXECUTE (SELECT format('ALTER TABLE virtual DROP CONSTRAINT %I, ADD PRIMARY KEY (address, userid)', conname) FROM pg_constraint WHERE conrelid = 'virtual'::regclass AND contype = 'p'); END IF; END $$;"  # noqa: E501
    wanted = ", ".join(f"({literal(a)}, {literal(t)})" for a, t in rows.aliases) or "(NULL, NULL)"
    yield f"INSERT INTO virtual (address, userid) SELECT w.* FROM (VALUES {wanted}) AS w (a, t) WHERE a IS NOT NULL ON CONFLICT DO NOTHING;"  # noqa: E501, S608
    yield f"DELETE FROM virtual WHERE (address, userid) NOT IN (SELECT * FROM (VALUES {wanted}) AS w (a, t) WHERE a IS NOT NULL);"  # noqa: E501, S608
