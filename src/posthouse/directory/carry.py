"""Carry the whole directory to another database while everybody works, and lose no write.

First the source is frozen: triggers in it refuse every write, by commands and by plain SQL alike, and stay there
over a kill or a reboot; all may go on reading. Then everything is copied and compared in one transaction of the
target, which is empty or whole at any moment. Then whoever called this switches (`backend.switch`), and the
source stays frozen: nobody writes into what nobody reads any more. Said again after a kill, it all happens again.
"""

# ruff: noqa: S608 - tables and columns are our own, and known to both databases

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from posthouse.directory import backend, hold, schema, sqlite
from posthouse.directory.backend import Connection, Place, Server
from posthouse.directory.connect import transaction, writing
from posthouse.directory.migrate import migrate
from posthouse.errors import PosthouseError, UsageError

SENTENCE = "directory: it has moved, or is on its way, to another database (posthouse directory move)"
PAGE = 2000  # rows at a time
_KEYS = {
    "transport": ("domain",),
    "users": ("userid",),
    "app_passwords": ("userid", "name"),
    "verifiers": ("userid", "mechanism"),
    "relay_logins": ("name",),
}
_OPERATIONS = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Counts:
    """What a directory holds: rows by table, and the SHA-256 of all that stands in them."""

    rows: dict[str, int]
    digest: str

    def __str__(self) -> str:
        rows = self.rows
        return (
            f"{rows['transport']} domains, {rows['users']} accounts, {rows['virtual']} aliases, "
            f"{rows['grants']} grants"
        )


def carry(source: Place, target: Place, note: Callable[[str], None] = lambda _: None) -> Counts:
    """Freeze `source` and make `target` hold exactly what it holds; what `target` held before goes.

    The target is migrated first; in PostgreSQL its database must be there. Where this fails and `source` is the
    directory in use, it is thawed again.

    Args:
        source: a directory of this program's schema.
        target: another one, that is not in use.
        note: told what happens.

    Raises:
        UsageError: the target is the directory in use, or the source itself.
        PosthouseError: one of them cannot be asked, or does not take what the other holds; the target is then
            as before.
    """
    if target in (source, backend.current()):
        raise UsageError(f"{target} is the directory in use already", "Name the other one.")
    migrate(target)
    freeze(source)
    try:
        note(f"{source}: frozen; mail goes on, changes have to wait")
        counts = _as_owner((source, target), lambda: _copied(source, target))
    except BaseException:
        if source == backend.current():
            thaw(source)
        raise
    note(f"{target}: {counts}; all of it compared")
    return counts


def freeze(place: Place) -> None:
    """Let nobody write to a directory, from when the writers of this moment have ended. PosthouseError."""
    writing(_freeze, place)


def thaw(place: Place) -> None:
    """Let writers in again. PosthouseError."""
    writing(_thaw, place)


def is_frozen(connection: Connection) -> bool:
    """Tell whether a directory is frozen."""
    if isinstance(connection, sqlite3.Connection):
        query = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'frozen_%'"
    else:
        query = "SELECT 1 FROM pg_trigger WHERE tgname = 'posthouse_frozen'"
    return connection.execute(query).fetchone() is not None


def counts(connection: Connection) -> Counts:
    """Count and digest everything; the same on both backends for the same directory."""
    digest, rows = hashlib.sha256(), {}
    for table in schema.TABLES:
        names = sorted(schema.columns(connection, table))
        digest.update(json.dumps([table, names]).encode())
        rows[table] = 0
        for row in _rows(connection, table, names):
            digest.update(json.dumps(row).encode())
            rows[table] += 1
    return Counts(rows, digest.hexdigest())


def _freeze(connection: Connection) -> None:
    if isinstance(connection, sqlite3.Connection):
        for table in schema.TABLES:
            for operation in _OPERATIONS:
                connection.execute(
                    f"CREATE TRIGGER IF NOT EXISTS frozen_{table}_{operation.lower()} "
                    f"BEFORE {operation} ON {table} BEGIN SELECT RAISE(ABORT, '{SENTENCE}'); END"
                )
        return
    connection.execute(
        f"""CREATE OR REPLACE FUNCTION posthouse_frozen() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
            BEGIN RAISE EXCEPTION '{SENTENCE}' USING ERRCODE = 'restrict_violation'; END $$"""
    )
    for table in schema.TABLES:
        # Its lock waits for every open transaction that has written there (SHARE ROW EXCLUSIVE).
        connection.execute(
            f"""CREATE OR REPLACE TRIGGER posthouse_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION posthouse_frozen()"""
        )


def _thaw(connection: Connection) -> None:
    for table in schema.TABLES:
        if isinstance(connection, sqlite3.Connection):
            for operation in _OPERATIONS:
                connection.execute(f"DROP TRIGGER IF EXISTS frozen_{table}_{operation.lower()}")
        else:
            connection.execute(f"DROP TRIGGER IF EXISTS posthouse_frozen ON {table}")


def _copied(source: Place, target: Place) -> Counts:
    with _opened(source) as old, _opened(target) as new:
        if not is_frozen(old):
            raise PosthouseError(f"{source}: somebody let writers in again", "say it again")
        with transaction(new):
            _thaw(new)
            for table in reversed(schema.TABLES[1:]):
                new.execute(f"DELETE FROM {table}")
            new.execute("DELETE FROM transport WHERE alias_of IS NOT NULL")
            new.execute("DELETE FROM transport")
            for table in schema.TABLES:
                _copy(old, new, table)
            expected, found = counts(old), counts(new)
            if found != expected:
                raise PosthouseError(
                    f"{target}: expected {expected} ({expected.digest}), found {found} ({found.digest})",
                    "nothing was changed; say it again",
                )
        if isinstance(target, Server):
            new.execute("ANALYZE")
        return found


def _copy(old: Connection, new: Connection, table: str) -> None:
    names = schema.columns(old, table)
    if set(names) != set(schema.columns(new, table)):
        raise schema.WrongSchema(f"{table}: the two databases have not the same columns", "`posthouse apply`")
    insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    # A domain alias comes after its domain.
    passes: tuple[Callable[[Any], bool], ...] = (lambda _: True,)
    if table == "transport":
        alias_of = names.index("alias_of")
        passes = (lambda row: row[alias_of] is None, lambda row: row[alias_of] is not None)
    for wanted in passes:
        rows = (row for row in _rows(old, table, names) if wanted(row))
        while page := list(islice(rows, PAGE)):
            new.executemany(insert, page)


def _rows(
    connection: Connection, table: str, names: list[str] | tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    """Return a table's rows by its key, a page at a time: neither database's library is to hold all of them."""
    keys = _KEYS.get(table, ("address", "userid"))
    where = ""
    places = [names.index(key) for key in keys]
    last: tuple[Any, ...] = ()
    while True:
        query = f"SELECT {', '.join(names)} FROM {table} {where} ORDER BY {', '.join(keys)} LIMIT {PAGE}"
        rows = connection.execute(query, last).fetchall()
        yield from rows
        if len(rows) < PAGE:
            return
        where = f"WHERE ({', '.join(keys)}) > ({', '.join('?' * len(keys))})"
        last = tuple(rows[-1][place] for place in places)


@contextmanager
def _opened(place: Place) -> Iterator[Connection]:
    with ExitStack() as stack:
        if isinstance(place, Path):
            connection = sqlite.opened(place, "rw")
            stack.callback(connection.close)
            stack.enter_context(hold.held(place))
            stack.callback(connection.close)  # while held: being the last, it would take -wal and -shm away
            yield connection
            return
        from posthouse.directory import postgresql

        yield stack.enter_context(closing(postgresql.opened(place, statement_seconds=0)))


def _as_owner(places: tuple[Place, ...], work: Callable[[], Counts]) -> Counts:
    """Call as the one user that owns all of the places."""
    from posthouse.directory.postgresql import as_user

    users = [place.unix_user for place in places if isinstance(place, Server)]
    users += [sqlite.owner_of(place).pw_name for place in places if isinstance(place, Path)]
    return as_user(next((user for user in users if user not in ("", "root")), ""), work)
