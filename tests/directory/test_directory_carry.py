"""Everything arrives in the other database, no write is lost on the way, and a kill harms nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import postgresql
from tests.directory.people import PEOPLE, REFUSED, fill

from posthouse import directory
from posthouse.directory import Connection, Place, Refused, Server, carry
from posthouse.errors import PosthouseError, UsageError

MORE = """
UPDATE users SET realname = 'Zoë "x" ''-- %s $1 \\ 日本', quota = 9223372036854775807, mail = '', created = 'x'
    WHERE userid = 'user@snorl.ax';
UPDATE users SET home = '/var/mail/vhosts/old/place', active = 0, system = 1 WHERE userid = 'b@b.example';
INSERT INTO virtual (address, userid, active) VALUES ('kim@snorl.ax', 'x@other.example', 0),
    ('@b.example', 'user@snorl.ax', 1);
INSERT INTO grants (address, userid) VALUES ('@b.example', 'user@snorl.ax')
"""


@pytest.fixture
def sides(
    database: Path, cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Server]:
    """The SQLite directory, in use and with people in it, and an empty database."""
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", database)
    directory.writing(lambda connection: fill(connection, PEOPLE + MORE), database)
    return database, cluster.new()


def everything(place: Place) -> carry.Counts:
    return directory.reading(carry.counts, place)


def add(number: int) -> object:
    query = "INSERT INTO users (userid) VALUES (?)"
    return lambda connection: connection.execute(query, (f"n{number}@snorl.ax",)).rowcount


def test_there_and_back(sides: tuple[Path, Server]) -> None:
    database, server = sides
    before = everything(database)
    said: list[str] = []
    assert carry.carry(database, server, said.append) == before == everything(server)
    rows = {
        "transport": 3,
        "users": 4,
        "virtual": 3,
        "grants": 1,
        "app_passwords": 0,
        "verifiers": 0,
        "relay_logins": 0,
    }
    assert before.rows == rows
    assert len(said) == 2
    assert directory.current() == database
    assert directory.switch(server)
    assert not directory.switch(server)
    assert directory.current() == server
    directory.writing(add(1))
    with pytest.raises(Refused, match="has moved"):
        directory.writing(add(2), database)
    with pytest.raises(UsageError, match="in use"):
        carry.carry(database, server)
    after = everything(server)
    assert after != before
    assert carry.carry(server, database) == after == everything(database)
    assert directory.switch(database)
    assert directory.writing(add(2)) == 1
    with pytest.raises(Refused, match="has moved"):
        directory.writing(add(2), server)


def test_plain_sql_is_kept_out_too(sides: tuple[Path, Server], cluster: postgresql.Cluster) -> None:
    database, server = sides
    carry.freeze(database)
    carry.freeze(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in (
            "INSERT INTO transport (domain) VALUES ('new.example')",
            "UPDATE users SET password = NULL WHERE userid = 'user@snorl.ax'",
            "DELETE FROM virtual",
            "DELETE FROM grants",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="has moved"):
                connection.execute(statement)
    carry.thaw(database)
    carry.carry(database, server)
    carry.freeze(server)
    for statement in (
        "INSERT INTO transport (domain) VALUES ('new.example')",
        "UPDATE users SET password = NULL WHERE userid = 'user@snorl.ax'",
        "DELETE FROM virtual WHERE address = 'nobody@snorl.ax'",
    ):
        done = cluster.psql("mailwriter", statement, server.database)
        assert done.returncode != 0
        assert "has moved" in done.stdout
    carry.thaw(server)
    assert cluster.psql("mailwriter", "DELETE FROM virtual", server.database).returncode == 0


def test_what_the_target_held_goes_and_what_fails_changes_nothing(
    sides: tuple[Path, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, server = sides
    directory.writing(
        lambda connection: fill(connection, "INSERT INTO transport VALUES ('old.example')"), server
    )
    old = everything(server)
    with monkeypatch.context() as patched:
        patched.setattr(carry, "_copy", lambda *_: None)
        with pytest.raises(PosthouseError, match="expected 3 domains"):
            carry.carry(database, server)
    assert everything(server) == old
    assert directory.writing(add(1)) == 1  # thawed again, since it is the one in use
    assert carry.carry(database, server) == everything(database)


@pytest.mark.parametrize("back", [False, True])
def test_every_write_that_was_taken_arrives(sides: tuple[Path, Server], back: bool) -> None:
    source, target = reversed(sides) if back else sides
    if back:
        carry.carry(target, source)
        directory.switch(source)
    taken: list[int] = []
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            try:
                directory.writing(add(number), source)
            except Refused:
                return
            taken.append(number)
            if number > 20:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert enough.wait(60)
        carry.carry(source, target)
    finally:
        stop.set()
        writer.join()
    query = "SELECT count(*) FROM users WHERE userid LIKE 'n%'"
    found = directory.reading(lambda connection: connection.execute(query).fetchone(), target)
    assert found == (len(taken),)


KILLED = """
import os, pathlib, sys
from posthouse import directory, paths
from posthouse.directory import Server, carry
paths.DIRECTORY_DB = pathlib.Path(sys.argv[1])
server = Server(sys.argv[2], 5432, sys.argv[3], unix_user="")
original, calls = carry._copy, []
def copy(old, new, table):
    original(old, new, table)
    if table == "users":
        print("half", flush=True)
        sys.stdin.read()
carry._copy = copy
carry.carry(paths.DIRECTORY_DB, server)
"""


def test_killed_in_the_middle_it_begins_anew(sides: tuple[Path, Server]) -> None:
    database, server = sides
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(database), server.host, server.database],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert directory.reading(carry.is_frozen, database)
    with pytest.raises(Refused, match="has moved"):
        directory.writing(add(1))
    assert everything(server).rows["users"] == 0
    assert directory.current() == database
    assert carry.carry(database, server) == everything(server)


SIGNS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
ROWS = st.fixed_dictionaries(
    {
        "password": st.none() | st.from_regex(r"[!-z|~]{1,40}", fullmatch=True),
        "realname": st.none() | SIGNS,
        "mail": st.none() | SIGNS,
        "quota": st.none() | st.integers(0, 2**63 - 1),
        "active": st.integers(0, 1),
        "created": SIGNS,
    }
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=6))
def test_any_value_is_the_same_there(people: Connection, rows: list[dict[str, object]]) -> None:
    """What either database takes, it gives back as it was; both take the same."""
    people.execute("BEGIN")
    try:
        for number, row in enumerate(rows):
            names, values = ", ".join(row), ", ".join("?" * len(row))
            people.execute(
                f"INSERT INTO users (userid, {names}) VALUES (?, {values})",
                (f"n{number}@snorl.ax", *row.values()),
            )
        for number, row in enumerate(rows):
            found = people.execute(
                f"SELECT {', '.join(row)} FROM users WHERE userid = ?", (f"n{number}@snorl.ax",)
            ).fetchone()
            assert found == tuple(row.values())
    except REFUSED:
        pytest.fail("refused")
    finally:
        people.rollback()
