"""The file itself: migrations, who opens it how, and -wal and -shm that stay."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.directory.people import PEOPLE

from posthouse import directory
from posthouse.directory import hold, schema
from posthouse.errors import PosthouseError, UsageError

SUFFIXES = ("-wal", "-shm")
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def beside(database: Path) -> list[bool]:
    return [database.with_name(database.name + suffix).exists() for suffix in SUFFIXES]


def insert_a_domain(connection: sqlite3.Connection) -> int:
    return connection.execute("INSERT INTO transport (domain) VALUES ('snorl.ax')").rowcount


def test_a_new_one(database: Path) -> None:
    assert not directory.migrate(database)
    assert mode(database) == 0o640
    for suffix in SUFFIXES:
        assert mode(database.with_name(database.name + suffix)) == 0o640
    with closing(directory.open_readonly(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert schema.version(connection) == schema.migrations()[-1][0]
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("DELETE FROM transport")


def test_a_later_migration_keeps_a_dump_that_can_be_restored(database: Path, tmp_path: Path) -> None:
    directory.writing(lambda connection: [connection.execute(line) for line in PEOPLE.split(";")], database)
    folder = tmp_path / "migrations"
    shutil.copytree(schema.FOLDER, folder)
    number = schema.migrations()[-1][0] + 1
    (folder / f"{number:04}_more.sql").write_text("ALTER TABLE users ADD COLUMN more TEXT;\n")
    assert directory.migrate(database, folder)
    dump = database.with_name(f"before-{number:04}.sql")
    assert mode(dump) == 0o600
    restored = sqlite3.connect(":memory:")
    restored.executescript(dump.read_text())
    users = "SELECT userid, password, active, path FROM users ORDER BY userid"
    with closing(sqlite3.connect(database)) as now:
        assert restored.execute(users).fetchall() == now.execute(users).fetchall()
    assert restored.execute("SELECT * FROM postfix_virtual").fetchall()
    # This program does not know that version.
    for call in (directory.migrate, directory.open_readonly, directory.open_writer):
        with pytest.raises(schema.WrongSchema, match="newer"):
            call(database)


def test_every_older_file_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path) -> None:
    everything = (
        "SELECT * FROM transport ORDER BY domain",
        "SELECT userid, password, active, path, domain, created FROM users ORDER BY userid",
        "SELECT * FROM virtual ORDER BY address",
        "SELECT * FROM grants",
    )
    for number in range(1, len(schema.migrations())):
        folder, path = tmp_path / f"up-to-{number}", tmp_path / f"{number}.sqlite"
        folder.mkdir()
        for _, file in schema.migrations()[:number]:
            shutil.copy(file, folder)
        assert directory.migrate(path, folder)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(PEOPLE)
            connection.execute(
                "UPDATE users SET home = 'old/place', created = 'x' WHERE userid = 'user@snorl.ax'"
            )
            connection.execute("INSERT INTO grants (address, userid) VALUES ('@b.example', 'user@snorl.ax')")
            before = [connection.execute(query).fetchall() for query in everything]
            assert directory.migrate(path)
            assert [connection.execute(query).fetchall() for query in everything] == before
            for statement in (
                "INSERT INTO users (userid) VALUES ('x@nowhere.example')",
                "INSERT INTO users (userid, home) VALUES ('x@snorl.ax', 'old/place')",
                "UPDATE users SET userid = 'x@snorl.ax' WHERE userid = 'user@snorl.ax'",
            ):
                with pytest.raises(sqlite3.IntegrityError):
                    connection.execute(statement)
            connection.execute("DELETE FROM users WHERE userid = 'user@snorl.ax'")
            assert connection.execute("SELECT * FROM grants").fetchall() == []
            assert connection.execute("SELECT count(*) FROM postfix_mailboxes").fetchone() == (5,)


def test_a_migration_that_fails_changes_nothing(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(schema.FOLDER, folder)
    number = schema.migrations()[-1][0] + 1
    (folder / f"{number:04}_bad.sql").write_text("CREATE TABLE more (x TEXT);\nCREATE TABLE users (x);\n")
    with pytest.raises(PosthouseError, match="already exists"):
        directory.migrate(database, folder)
    with closing(directory.open_readonly(database)) as connection:
        assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone() is None


def test_two_migrations_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "mails.sqlite"
    code = f"import pathlib, posthouse.directory as d; print(d.migrate(pathlib.Path({str(path)!r})))"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(4)
    ]
    said = sorted(process.communicate()[0].strip() for process in running)
    assert said == ["False", "False", "False", "True"]


def test_what_is_not_there_or_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(PosthouseError, match="no directory yet"):
        directory.open_readonly(tmp_path / "none" / "mails.sqlite")
    broken = tmp_path / "mails.sqlite"
    broken.write_bytes(b"something else" * 1000)
    with pytest.raises(PosthouseError, match="not a database"):
        directory.open_readonly(broken)
    broken.write_bytes(b"")
    with pytest.raises(schema.WrongSchema, match="found 0"):
        directory.open_writer(broken)


def test_writing_is_all_or_nothing(database: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO transport (domain) VALUES ('snorl.ax')")
        raise UsageError("no")

    with pytest.raises(UsageError):
        directory.writing(half, database)
    assert directory.reading(lambda c: c.execute("SELECT count(*) FROM transport").fetchone(), database) == (
        0,
    )


def test_commands_leave_wal_and_shm(database: Path) -> None:
    directory.writing(lambda connection: connection.execute("SELECT 1").fetchone(), database)
    directory.reading(lambda connection: connection.execute("SELECT 1").fetchone(), database)
    assert beside(database) == [True, True]


def test_a_hold_keeps_wal_and_shm_when_the_last_one_leaves(database: Path) -> None:
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]).fetchall(); c.close()"
    )
    tool = shutil.which("sqlite3")
    last = [tool] if tool else [sys.executable, "-c", code]
    handle = hold.hold(database)
    subprocess.run([*last, database, "SELECT count(*) FROM users"], check=True, stdout=subprocess.DEVNULL)
    assert beside(database) == [True, True]
    directory.writing(insert_a_domain, database)
    os.close(handle)
    subprocess.run([*last, database, "SELECT count(*) FROM users"], check=True, stdout=subprocess.DEVNULL)
    assert beside(database) == [False, False]  # what the hold is for
    directory.reading(lambda connection: connection.execute("SELECT 1").fetchone(), database)
    assert beside(database) == [True, True]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users")
def test_root_s_commands_write_as_the_owner_and_the_group_reads(database: Path) -> None:
    """Owner and group as on a machine: a setgid folder; readers of the group that may not write."""
    if not all(mode(folder) & 0o001 for folder in schema.FOLDER.parents):
        pytest.skip("other users cannot read this checkout")
    owner, group = 1, 2  # daemon and bin: on every Debian
    folder = database.parent
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and not mode(parent) & 0o001:
            parent.chmod(mode(parent) | 0o011)
    shutil.rmtree(folder)
    folder.mkdir()
    os.chown(folder, owner, group)
    folder.chmod(0o2750)
    assert _as(owner, owner, lambda: directory.migrate(database)) == 0
    assert directory.writing(insert_a_domain, database) == 1
    with closing(sqlite3.connect(database)) as last:  # who holds nothing takes -wal and -shm away
        last.execute("SELECT * FROM transport")
    assert beside(database) == [False, False]
    assert directory.reading(schema.version, database)
    assert beside(database) == [True, True]
    for path in folder.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (owner, group, 0o640)

    def read() -> None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("SELECT domain FROM transport").fetchall() == [("snorl.ax",)]

    assert _as(NOBODY, group, read) == 0
    assert _as(NOBODY, NOBODY, lambda: directory.reading(schema.version, database)) == 1
    # A hold, as the agent has it, and root's own client is the last to leave.
    handle = hold.hold(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE transport SET active = 1")
        connection.commit()
    assert _as(NOBODY, group, read) == 0
    for path in folder.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (owner, group, 0o640)
    os.close(handle)
    with pytest.raises(PosthouseError, match="only"):
        directory.open_writer(database)


def _as(uid: int, gid: int, function: object) -> int:
    """Call a function in a child that is another user; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([gid])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.umask(0o027)
            function()  # type: ignore[operator]
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_writers_wait_for_each_other(database: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                with (
                    closing(directory.open_writer(database)) as connection,
                    directory.transaction(connection),
                ):
                    connection.execute(
                        "INSERT INTO transport (domain) VALUES (?)", (f"d{number}-{turn}.example",)
                    )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert directory.reading(lambda c: c.execute("SELECT count(*) FROM transport").fetchone(), database) == (
        40,
    )
