"""PostgreSQL's own: roles and what each may, a database made by hand, plans, waits and errors."""

from __future__ import annotations

import stat
import subprocess
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import postgresql
from tests.directory.people import NAMES, fill

from posthouse import directory
from posthouse.directory import Place, Refused, Server, Unreachable, accounts, backend, queries, roles
from posthouse.directory.postgresql import connect
from posthouse.directory.schema import WrongSchema
from posthouse.errors import PosthouseError, UsageError

HAND_MADE = """
CREATE TABLE transport (domain varchar(128) PRIMARY KEY, transport varchar(128) NOT NULL);
CREATE TABLE users (userid varchar(128) PRIMARY KEY, password varchar(128), realname varchar(128),
    uid integer NOT NULL, gid integer NOT NULL, home varchar(128), mail varchar(255));
CREATE TABLE virtual (address varchar(255) PRIMARY KEY, userid varchar(255) NOT NULL);
CREATE VIEW postfix_mailboxes AS SELECT userid, home||'/' AS mailbox FROM users
    UNION ALL SELECT domain AS userid, 'dummy' AS mailbox FROM transport;
CREATE VIEW postfix_virtual AS SELECT userid, userid AS address FROM users
    UNION ALL SELECT userid, address FROM virtual;
GRANT SELECT ON transport, users, virtual, postfix_mailboxes, postfix_virtual TO mailreader, PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON transport, users, virtual TO mailwriter;
GRANT ALL ON users TO formerly;
GRANT SELECT (address) ON virtual TO formerly;
CREATE TABLE of_another (x integer);
CREATE FUNCTION of_another() RETURNS integer LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON of_another FROM PUBLIC;
REVOKE ALL ON FUNCTION of_another FROM PUBLIC;
INSERT INTO transport VALUES ('snorl.ax', 'virtual:');
INSERT INTO users VALUES ('user@snorl.ax', '{CRYPT}abJnggxhB/yWI', 'A. User', 5000, 5000, 'snorl.ax/mails/user', NULL),
    ('user2@snorl.ax', 'abJnggxhB/yWI', NULL, 5000, 5000, 'snorl.ax/mails/two', 'x');
INSERT INTO virtual VALUES ('kim@snorl.ax', 'user@snorl.ax')
"""
READERS = ("postfix", "dovecot", "mailreader")


@pytest.fixture
def mails(cluster: postgresql.Cluster) -> postgresql.Cluster:
    """The cluster with the names of the documentation in database `mails`."""
    server = postgresql.emptied(cluster)
    with closing(directory.open_writer(server)) as connection:
        fill(connection)
    return cluster


def test_what_row_s3_promises_works_typed_into_psql(mails: postgresql.Cluster) -> None:
    done = mails.psql(
        "mailwriter",
        """INSERT INTO transport (domain, transport) VALUES ('new.example', 'virtual:');
        INSERT INTO users VALUES ('a@new.example', '{CRYPT}x', 'A', 5000, 5000, 'new.example/mails/a', NULL);
        INSERT INTO users (userid, password, uid, gid, home) VALUES
            ('b@new.example', '{CRYPT}x', 5000, 5000, '/var/mail/vhosts/new.example/mails/b');
        INSERT INTO virtual (address, userid) VALUES ('c@new.example', 'a@new.example'),
            ('c@new.example', 'b@new.example'), ('c@new.example', 'd@other.example');
        UPDATE users SET realname = 'B' WHERE userid = 'b@new.example';
        DELETE FROM virtual WHERE userid = 'd@other.example';""",
    )
    assert done.returncode == 0, done.stdout
    with closing(connect(mails.server(role="postfix"), readonly=True)) as postfix:

        def ask(query: str, key: str) -> set[str]:
            return {row[0] for row in postfix.execute(query.replace("%s", key))}

        final = queries.aliases(NAMES, dialect="postgresql")
        assert ask(final, "C@new.example") == {"a@new.example", "b@new.example"}
        assert ask(final, "postmaster@new.example") == {"user@snorl.ax"}
        assert ask(queries.mailboxes(dialect="postgresql"), "b@new.example") == {"new.example/mails/b/"}
        assert ask(queries.domains(dialect="postgresql"), "new.example") == {"new.example"}
        assert ask(queries.disabled(NAMES, dialect="postgresql"), "a@new.example") == set()
    with closing(connect(mails.server(role="dovecot"), readonly=True)) as dovecot:
        assert dovecot.execute(queries.passdb("a@new.example", "0", "imap", "postgresql")).fetchall()
        cram = queries.passdb_mechanism("a@new.example", "CRAM-MD5", "postgresql")
        assert dovecot.execute(cram).fetchall() == []
        assert dovecot.execute(queries.userdb("a@new.example", queries.USERDB_23, "postgresql")).fetchall()
        assert dovecot.execute(queries.iterate("postgresql")).fetchall()


@pytest.mark.parametrize("role", READERS)
def test_readers_are_refused_every_write(mails: postgresql.Cluster, role: str) -> None:
    for statement in (
        "INSERT INTO transport VALUES ('x.example', 'virtual:')",
        "UPDATE users SET password = 'x'",
        "DELETE FROM virtual",
        "TRUNCATE virtual",
        "CREATE TABLE public.x (y int)",
        "CREATE TEMP TABLE x (y int)",
        "CREATE SCHEMA x",
        "ALTER TABLE virtual DISABLE TRIGGER ALL",
        "DROP VIEW postfix_virtual",
        "SET ROLE posthouse",
        "COPY users TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ):
        done = mails.psql(role, statement)
        assert done.returncode != 0, (role, statement, done.stdout)
        assert "denied" in done.stdout or "must be" in done.stdout, done.stdout


def test_postfix_cannot_read_a_password(mails: postgresql.Cluster) -> None:
    for query in (
        "SELECT password FROM users",
        "SELECT * FROM users",
        "SELECT userid FROM users WHERE password LIKE '%x'",
        "SELECT users FROM users",
        "SELECT count(password) FROM users",
        "SELECT * FROM grants",
        "COPY users TO STDOUT",
    ):
        done = mails.psql("postfix", query)
        assert done.returncode != 0, (query, done.stdout)
        assert "permission denied" in done.stdout
    assert mails.psql("postfix", "SELECT userid, path FROM users").returncode == 0


def test_mailwriter_writes_three_tables_and_nothing_else(mails: postgresql.Cluster) -> None:
    for statement in (
        "INSERT INTO grants (address, userid) VALUES ('@snorl.ax', 'user2@snorl.ax')",
        "SELECT * FROM grants",
        "DELETE FROM posthouse_schema",
        "TRUNCATE users CASCADE",
        "CREATE TABLE public.x (y int)",
        "CREATE TEMP TABLE transport (domain text, alias_of text)",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        'ALTER TABLE users DROP CONSTRAINT "uid: only 5000"',
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION posthouse_users()",
        "SET session_replication_role = replica",
        "SET ROLE posthouse",
        "ALTER ROLE mailwriter SUPERUSER",
        "CREATE ROLE x",
        "COPY users FROM PROGRAM 'true'",
        "SELECT lo_import('/etc/passwd')",
        "CREATE EXTENSION dblink",
        "CREATE SCHEMA x",
    ):
        done = mails.psql("mailwriter", statement)
        assert done.returncode != 0, (statement, done.stdout)
        assert "denied" in done.stdout or "must be" in done.stdout, done.stdout
    removed = (
        "INSERT INTO users (userid) VALUES ('x@snorl.ax'); DELETE FROM users WHERE userid = 'x@snorl.ax'"
    )
    assert mails.psql("mailwriter", removed).returncode == 0
    grants = "INSERT INTO grants (address, userid) VALUES ('@b.example', 'user@snorl.ax')"
    assert mails.psql("posthouse", grants).returncode == 0
    done = mails.psql("mailwriter", "DELETE FROM users WHERE userid = 'user@snorl.ax'")
    assert done.returncode == 0, done.stdout
    assert mails.psql("posthouse", "SELECT count(*) FROM grants").stdout == "0\n"


def test_nobody_else_gets_in(mails: postgresql.Cluster) -> None:
    mails.psql("postgres", "DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN", "postgres")
    done = mails.psql("stranger", "SELECT 1")
    assert done.returncode != 0
    assert "permission denied for database" in done.stdout
    query = "SELECT has_schema_privilege('stranger', 'public', 'USAGE, CREATE')"
    assert mails.psql("posthouse", query).stdout == "f\n"
    wrong = replace(mails.server(role="mailwriter"))
    with pytest.raises(Unreachable, match="password"):
        directory.open_writer(wrong)


def test_what_is_said_to_who_types_sql(mails: postgresql.Cluster) -> None:
    for statement, sentence in {
        "INSERT INTO transport VALUES ('x.example', 'smtp:evil')": "transport: only virtual: (our own store)",
        "UPDATE users SET uid = 0": "uid: only 5000",
        "INSERT INTO users (userid) VALUES ('x@nowhere.example')": "userid: its domain is not in transport",
        "UPDATE users SET home = '/etc/x/y'": "home: a path in the store like domain/mails/user; NULL: that",
        "DELETE FROM transport": "domain: it still has accounts",
    }.items():
        done = mails.psql("mailwriter", statement)
        assert done.returncode != 0
        assert sentence in done.stdout


def test_two_writers_cannot_both_be_right(mails: postgresql.Cluster) -> None:
    """A domain becomes an alias while an account is added to it: whoever is second is refused."""
    server = mails.server()
    with closing(directory.open_writer(server)) as one, closing(directory.open_writer(server)) as two:
        fill(one, "INSERT INTO transport (domain) VALUES ('new.example')")
        two.execute("SET lock_timeout = 300")
        one.execute("BEGIN")
        one.execute("INSERT INTO users (userid) VALUES ('x@new.example')")
        with pytest.raises(Unreachable, match="lock timeout"):
            two.execute("UPDATE transport SET alias_of = 'snorl.ax' WHERE domain = 'new.example'")
        one.execute("COMMIT")
        with pytest.raises(Refused, match="has accounts"):
            two.execute("UPDATE transport SET alias_of = 'snorl.ax' WHERE domain = 'new.example'")


def test_a_database_made_by_hand_is_taken_as_it_is(
    cluster: postgresql.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", tmp_path / "mails.sqlite")
    server = cluster.server("handmade")
    cluster.psql("postgres", "CREATE DATABASE handmade TEMPLATE template0 ENCODING 'UTF8'", "postgres")
    cluster.psql("postgres", "CREATE ROLE formerly LOGIN", "postgres")
    assert cluster.psql("postgres", HAND_MADE, "handmade").returncode == 0
    roles.create(server, {"mailwriter": "another"})  # the role is there, and keeps its own
    assert directory.migrate(server)
    assert not directory.migrate(server)
    dump = tmp_path / "before-0001-postgresql.sql"
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    cluster.psql("postgres", "DROP DATABASE IF EXISTS again", "postgres")
    cluster.psql("postgres", "CREATE DATABASE again TEMPLATE template0 ENCODING 'UTF8'", "postgres")
    done = cluster.psql("postgres", HAND_MADE.split("INSERT INTO")[0] + dump.read_text(), "again")
    assert done.returncode == 0, done.stdout
    assert cluster.psql("postgres", "SELECT count(*) FROM users", "again").stdout == "2\n"
    with closing(directory.open_writer(server)) as connection:
        query = "SELECT userid, password, realname, path, mail FROM users ORDER BY userid"
        assert connection.execute(query).fetchall() == [
            ("user2@snorl.ax", "abJnggxhB/yWI", None, "snorl.ax/mails/two", "x"),
            ("user@snorl.ax", "{CRYPT}abJnggxhB/yWI", "A. User", "snorl.ax/mails/user", None),
        ]
        assert accounts.get(connection, "user@snorl.ax").aliases == ("kim@snorl.ax",)
        fill(connection, "INSERT INTO virtual (address, userid) VALUES ('kim@snorl.ax', 'user2@snorl.ax')")
    done = cluster.psql("mailwriter", "INSERT INTO users (userid) VALUES ('x@snorl.ax')", "handmade")
    assert done.returncode == 0, done.stdout
    assert cluster.psql("mailreader", "SELECT * FROM users, postfix_virtual", "handmade").returncode == 0
    assert cluster.psql("postfix", "SELECT password FROM users", "handmade").returncode != 0
    for query in (
        "SELECT has_table_privilege('formerly', 'users', 'SELECT, INSERT, UPDATE, DELETE')",
        "SELECT has_any_column_privilege('formerly', 'virtual', 'SELECT')",
        "SELECT has_table_privilege('posthouse', 'of_another', 'SELECT')",
    ):
        assert cluster.psql("posthouse", query, "handmade").stdout == "f\n"


@pytest.mark.parametrize(
    "row",
    [
        "INSERT INTO users VALUES ('root@snorl.ax', 'x', NULL, 0, 0, 'snorl.ax/mails/root', NULL)",
        "INSERT INTO transport VALUES ('y.example', 'smtp:elsewhere')",
        "INSERT INTO users VALUES ('Upper@snorl.ax', 'x', NULL, 5000, 5000, 'snorl.ax/mails/u', NULL)",
        "INSERT INTO virtual VALUES ('x@nowhere.example', 'user@snorl.ax')",
    ],
)
def test_a_row_by_hand_that_is_not_safe_stops_it_and_changes_nothing(
    cluster: postgresql.Cluster, row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", tmp_path / "mails.sqlite")
    server = cluster.server("unsafe")
    cluster.psql("postgres", "DROP DATABASE IF EXISTS unsafe", "postgres")
    cluster.psql("postgres", "CREATE DATABASE unsafe TEMPLATE template0 ENCODING 'UTF8'", "postgres")
    cluster.psql("postgres", "CREATE ROLE formerly LOGIN", "postgres")
    assert cluster.psql("postgres", f"{HAND_MADE}; {row}", "unsafe").returncode == 0
    roles.create(server)
    with pytest.raises(Refused, match=": "):
        directory.migrate(server)
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", tmp_path / "none" / "mails.sqlite")
    with pytest.raises(PosthouseError, match="cannot be kept"):  # no copy of it, no change
        directory.migrate(server)
    query = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users'"
    assert cluster.psql("posthouse", query, "unsafe").stdout == "7\n"


def test_roles_and_database_are_made_once(cluster: postgresql.Cluster) -> None:
    server = cluster.server("once")
    assert roles.create(server, postgresql.PASSWORDS)
    assert not roles.create(server, postgresql.PASSWORDS)
    with pytest.raises(WrongSchema, match="found 0"):
        directory.open_readonly(server)
    with pytest.raises(Unreachable, match="does not exist"):
        directory.open_readonly(cluster.server("nowhere"))
    stored = cluster.psql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'mailwriter'").stdout
    assert stored.startswith("SCRAM-SHA-256$")


def test_a_server_elsewhere_gets_the_daemons_roles(cluster: postgresql.Cluster) -> None:
    for role in ("postfix", "dovecot"):  # of this cluster's other databases: as a new server has none
        cluster.psql("postgres", f"ALTER ROLE {role} RENAME TO kept_{role}", "postgres")
    try:
        cluster.psql("postgres", "CREATE ROLE owner LOGIN; CREATE DATABASE elsewhere OWNER owner", "postgres")
        server = cluster.server("elsewhere", "owner")
        assert directory.migrate(server)
        with pytest.raises(PosthouseError, match="may not make") as caught:
            roles.create_remote(server)
        assert 'ALTER ROLE "owner" CREATEROLE;' in str(caught.value)
        cluster.psql("postgres", "ALTER ROLE owner CREATEROLE", "postgres")
        first = roles.create_remote(server)
        second = roles.create_remote(server)
        assert set(first) == set(second) == {"postfix", "dovecot"}
        assert first["postfix"] != second["postfix"]
        directory.migrate(server)  # gives them their rights
        assert cluster.psql("postfix", "SELECT userid FROM users", "elsewhere").returncode == 0
        assert cluster.psql("postfix", "SELECT password FROM users", "elsewhere").returncode != 0
        assert cluster.psql("dovecot", "SELECT password FROM users", "elsewhere").returncode == 0
    finally:
        cluster.psql("postgres", "DROP DATABASE elsewhere", "postgres")
        for role in ("postfix", "dovecot"):
            cluster.psql("postgres", f"DROP ROLE {role}; ALTER ROLE kept_{role} RENAME TO {role}", "postgres")
            cluster.psql("postgres", f"ALTER ROLE kept_{role} RENAME TO {role}", "postgres")


def test_no_question_reads_a_whole_table(cluster: postgresql.Cluster) -> None:
    server = cluster.new()
    with closing(directory.open_writer(server)) as connection:
        fill(
            connection,
            """INSERT INTO transport SELECT 'd'||i||'.example', 'virtual:' FROM generate_series(0, 299) i;
            INSERT INTO transport (domain, alias_of) VALUES ('twin.example', 'd0.example');
            INSERT INTO users (userid) SELECT 'u'||i||'@d'||(i%300)||'.example' FROM generate_series(1, 9000) i;
            INSERT INTO virtual SELECT 'a'||i||'@d'||(i%300)||'.example', 'u'||i||'@d'||(i%300)||'.example'
                FROM generate_series(1, 9000) i;
            ANALYZE""",
        )
    names = queries.Names("u1@d1.example", "dmarc-reports", ("localhost",))
    asked = [
        *(
            ask(dialect="postgresql").replace("%s", "a7@d7.example")
            for ask in (queries.domains, queries.mailboxes, queries.unaliased)
        ),
        *(
            queries.aliases(names, dialect="postgresql").replace("%s", key)
            for key in ("a7@d7.example", "u300+x@twin.example", "postmaster@d7.example", "none@d7.example")
        ),
        queries.disabled(names, "'u7@d7.example'", "postgresql"),
        queries.passdb("u7@d7.example", "0", "imap", "postgresql"),
        queries.userdb("u7@d7.example", queries.USERDB_24, "postgresql"),
    ]
    with closing(directory.open_readonly(server)) as connection:
        for query in asked:
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}"))
            assert "hashed" not in plan, f"{query}\n{plan}"
            for table in ("users", "virtual"):
                assert f"Seq Scan on {table}" not in plan, f"{query}\n{plan}"


def test_the_caller_s_environment_leads_nowhere_else(
    cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOSTADDR": "192.0.2.1",
        "PGOPTIONS": "-c search_path=pg_temp",
        "PGSERVICE": "other",
        "PGTZ": "x",
        "PGSSLMODE": "disable",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(directory.open_readonly(cluster.server())) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("posthouse",)


def test_passfiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", tmp_path / "mails.sqlite")
    monkeypatch.setattr("posthouse.paths.DIRECTORY_GROUP", "daemon")
    server = Server.at("postgresql://owner@db.example:6432/mails")
    path = roles.write_passfile(server, "daemon", "a:b\\c d'\"")
    assert path == tmp_path / "daemon.pgpass"
    assert path.read_text() == "db.example:6432:mails:daemon:a\\:b\\\\c d'\"\n"
    assert (path.owner(), stat.S_IMODE(path.stat().st_mode)) == ("daemon", 0o600)
    for password in ("", "a\nb", "a\0b"):
        with pytest.raises(UsageError):
            roles.write_passfile(server, "daemon", password)


def test_urls() -> None:
    server = Server.at("postgresql://owner@db.example:6432/mails")
    assert (server.host, server.port, server.role, server.database) == ("db.example", 6432, "owner", "mails")
    assert server.settings["sslmode"] == "verify-full"
    assert Server.at("postgres://db.example/mails").role == "posthouse"
    for url in (
        "mysql://db.example/mails",
        "postgresql:///mails",
        "postgresql://db.example",
        "postgresql://db.example/",
        "postgresql://u:secret@db.example/mails",
        "postgresql://db.example/mails?sslmode=disable",
        "postgresql://db.example:0/mails",
        "postgresql://db.example:x/mails",
        "postgresql://db.example/ma ils",
        "postgresql://db.example/mails%20sslmode=disable",
        "nonsense",
    ):
        with pytest.raises(UsageError) as caught:
            Server.at(url)
        assert "secret" not in str(caught.value)


@given(
    st.builds(
        Server,
        st.sampled_from(["/var/run/postgresql", "db.example", "192.0.2.1", "2001:db8::1"]),
        st.integers(1, 65535),
        st.from_regex(r"[a-z_][a-z0-9_.-]{0,20}", fullmatch=True),
        st.from_regex(r"[a-z_][a-z0-9_.-]{0,20}", fullmatch=True),
        st.sampled_from([None, Path("/x/y.pgpass")]),
        st.sampled_from(["", "posthouse"]),
    )
)
def test_the_file_gives_back_the_place(place: Place) -> None:
    assert backend.parse(backend.line(place)) == place


@given(st.text(max_size=60) | st.text("sqlite postgresql host=port/=", max_size=60))
def test_a_damaged_file_is_told(text: str) -> None:
    with suppress(PosthouseError):
        backend.parse(text)


def test_a_client_of_its_own(mails: postgresql.Cluster) -> None:
    """pg_dump's text goes into an empty database: the constraints hold there as well."""
    dumped = mails.run("pg_dump", "-h", str(mails.folder), "-U", "posthouse", "mails")
    mails.psql("postgres", "DROP DATABASE IF EXISTS restored", "postgres")
    mails.psql("postgres", "CREATE DATABASE restored OWNER posthouse TEMPLATE template0", "postgres")
    done: subprocess.CompletedProcess[str] = mails.psql("postgres", dumped, "restored")
    assert done.returncode == 0, done.stdout
    server = mails.server("restored")
    query = "SELECT userid, path FROM users ORDER BY userid"
    found = [
        directory.reading(lambda connection: connection.execute(query).fetchall(), place)
        for place in (server, mails.server())
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 4
