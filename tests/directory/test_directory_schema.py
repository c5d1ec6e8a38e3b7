"""Plain SQL: what must work, and what must not be storable."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.directory.people import REFUSED, fill, is_sqlite, undone

from posthouse import paths
from posthouse.directory import Connection, addresses
from posthouse.errors import UsageError


def columns(connection: Connection, table: str) -> list[str]:
    if is_sqlite(connection):
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    query = (
        "SELECT column_name FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position"
    )
    return [row[0] for row in connection.execute(query, (table,))]


def test_the_contract_s_names_and_order(empty: Connection) -> None:
    assert columns(empty, "transport")[:2] == ["domain", "transport"]
    assert columns(empty, "users")[:7] == ["userid", "password", "realname", "uid", "gid", "home", "mail"]
    assert columns(empty, "virtual")[:2] == ["address", "userid"]
    assert columns(empty, "postfix_mailboxes") == ["userid", "mailbox"]
    assert columns(empty, "postfix_virtual") == ["userid", "address"]


def test_the_hand_made_system_s_own_inserts_work(empty: Connection) -> None:
    empty.execute("INSERT INTO transport (domain, transport) VALUES ('snorl.ax', 'virtual:')")
    empty.execute(
        "INSERT INTO users (userid, password, realname, uid, gid, home, mail) VALUES "
        "('user@snorl.ax', '{CRYPT}abJnggxhB/yWI', 'A. User', 5000, 5000, 'snorl.ax/mails/user', NULL)"
    )
    empty.execute("INSERT INTO users (userid, password) VALUES ('user2@snorl.ax', 'abJnggxhB/yWI')")
    empty.execute("INSERT INTO virtual (address, userid) VALUES ('kim@snorl.ax', 'user@snorl.ax')")
    assert set(empty.execute("SELECT * FROM postfix_mailboxes")) == {
        ("user@snorl.ax", "snorl.ax/mails/user/"),
        ("user2@snorl.ax", "snorl.ax/mails/user2/"),
        ("snorl.ax", "dummy"),
    }
    assert set(empty.execute("SELECT * FROM postfix_virtual")) == {
        ("user@snorl.ax", "user@snorl.ax"),
        ("user2@snorl.ax", "user2@snorl.ax"),
        ("user@snorl.ax", "kim@snorl.ax"),
    }
    empty.execute("UPDATE users SET active = 0 WHERE userid = 'user@snorl.ax'")
    assert empty.execute("SELECT count(*) FROM postfix_mailboxes").fetchone() == (2,)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO transport VALUES ('SNORL.ax', 'virtual:', 1, NULL, '')",
        "INSERT INTO transport (domain) VALUES ('localhost')",
        "INSERT INTO transport (domain) VALUES ('10.0.0.1')",
        "INSERT INTO transport (domain) VALUES ('a..b')",
        "INSERT INTO transport (domain) VALUES ('-a.b')",
        "INSERT INTO transport (domain) VALUES ('a.b ')",
        "INSERT INTO transport (domain) VALUES ('a.b' || char(0) || 'c')",
        "INSERT INTO transport (domain, transport) VALUES ('c.example', 'local:')",
        "INSERT INTO transport (domain, transport) VALUES ('c.example', 'pipe:sh')",
        "INSERT INTO transport (domain, alias_of) VALUES ('c.example', 'nowhere.example')",
        "INSERT INTO transport (domain, alias_of) VALUES ('c.example', 'twin.example')",
        "UPDATE transport SET transport = 'smtp:evil' WHERE domain = 'snorl.ax'",
        "UPDATE transport SET domain = 'c.example' WHERE domain = 'snorl.ax'",
        "UPDATE transport SET alias_of = 'b.example' WHERE domain = 'snorl.ax'",
        "DELETE FROM transport WHERE domain = 'snorl.ax'",
        "INSERT INTO users (userid) VALUES ('x@nowhere.example')",
        "INSERT INTO users (userid) VALUES ('x@twin.example')",
        "INSERT INTO users (userid) VALUES ('X@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('x+y@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('../x@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('.x@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('a..x@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('-x@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('x y@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('x''y@snorl.ax')",
        "INSERT INTO users (userid) VALUES (char(10) || 'x@snorl.ax')",
        "INSERT INTO users (userid) VALUES ('a@b@snorl.ax')",
        "INSERT INTO users (userid) VALUES (CAST('x@snorl.ax' AS BLOB))",
        "INSERT INTO users (userid, uid) VALUES ('x@snorl.ax', 0)",
        "INSERT INTO users (userid, gid) VALUES ('x@snorl.ax', 8)",
        "UPDATE users SET uid = NULL",
        "UPDATE users SET userid = 'x@snorl.ax' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/etc' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/etc/x/y' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/var/mail/vhosts' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/var/mail/vhosts/x' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/var/mail/vhosts/../x/y' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/var/mail/vhostsx/y/z' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/var/mail/vhosts//y/z' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '/var/mail/vhosts/snorl.ax/mails/user2' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = 'snorl.ax/../../x' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = 'snorl.ax/mails/user2' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = 'snorl.ax/mails/user2/.Junk' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = '~root/x' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET home = 'a/%u' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET password = '' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET password = '{PLAIN}' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET password = 'a' || char(9) || 'b' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET realname = 'a' || char(10) || 'b' WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET quota = -1 WHERE userid = 'user@snorl.ax'",
        "UPDATE users SET active = 2 WHERE userid = 'user@snorl.ax'",
        "INSERT INTO virtual (address, userid) VALUES ('x@nowhere.example', 'user@snorl.ax')",
        "INSERT INTO virtual (address, userid) VALUES ('@twin.example', 'user@snorl.ax')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'root')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'root@localhost')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'root@localhost.snorl.ax')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', '|sh@other.example')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', '/etc/passwd')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', ':include:/x@other.example')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'a@b.example, root@c.example')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'a%other.example@b.example')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'x@[127.0.0.1]')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'x@127.0.0.1')",
        "UPDATE virtual SET userid = 'Root@localhost'",
        "INSERT INTO grants (address, userid) VALUES ('x@snorl.ax', 'nobody@snorl.ax')",
        "INSERT INTO grants (address, userid) VALUES ('x@other.example', 'user@snorl.ax')",
    ],
)
def test_what_plain_sql_cannot_store(people: Connection, statement: str) -> None:
    if not is_sqlite(people):
        if "BLOB" in statement:
            pytest.skip("PostgreSQL has no values without a type")
        statement = statement.replace("char(", "chr(")
    with pytest.raises(REFUSED) as caught:
        people.execute(statement)
    said = str(caught.value)
    assert len(said) > 20 or ": " in said  # says what is wanted


NASTY = st.text(st.sampled_from("aZ0.@-_+/%\\'\"$ \n\0:,é|~="), max_size=24)
PLACES = st.builds(lambda local, rest: f"{local}@{rest}", NASTY, st.sampled_from(["snorl.ax", "b.example"]))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLACES | NASTY)
@example("a@snorl.ax")
@example("a.b-c_d@snorl.ax")
@example("a.@snorl.ax")
def test_an_account_is_stored_only_as_the_parser_takes_it(empty: Connection, text: str) -> None:
    with undone(empty):
        empty.execute("INSERT INTO transport (domain) VALUES ('snorl.ax'), ('b.example')")
        try:
            empty.execute("INSERT INTO users (userid) VALUES (?)", (text,))
        except REFUSED:
            try:
                normal = addresses.account(text)
            except UsageError:
                return
            # Refused as it stands: then it is not normal yet, or its domain is not here.
            assert normal != text or addresses.split(normal)[1] not in ("snorl.ax", "b.example")
            return
        assert addresses.account(text) == text
        (path,) = empty.execute("SELECT path FROM users").fetchone()
        assert (paths.STORE / path).resolve().is_relative_to(paths.STORE)
        assert ".." not in path


HOMES = NASTY | st.builds(
    "{}{}".format, st.sampled_from(["/var/mail/vhosts/", "/var/mail/vhosts", "/"]), NASTY
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOMES)
@example("snorl.ax/mails/a")
@example("/var/mail/vhosts/snorl.ax/mails/a")
@example("/var/mail/vhosts/a/../../x")
def test_a_home_never_leaves_the_store(empty: Connection, home: str) -> None:
    with undone(empty):
        empty.execute("INSERT INTO transport (domain) VALUES ('snorl.ax')")
        try:
            empty.execute("INSERT INTO users (userid, home) VALUES ('a@snorl.ax', ?)", (home,))
        except REFUSED:
            return
        (path,) = empty.execute("SELECT path FROM users").fetchone()
        assert path == home.removeprefix("/var/mail/vhosts/")
        target = paths.STORE / path
        assert target != paths.STORE
        assert target.resolve().is_relative_to(paths.STORE)
        assert not any(part.startswith((".", "~", "-")) for part in path.split("/"))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLACES | NASTY)
@example("x@other.example")
@example("x@localhost")
def test_a_target_is_stored_only_as_the_parser_takes_it(empty: Connection, text: str) -> None:
    with undone(empty):
        empty.execute("INSERT INTO transport (domain) VALUES ('snorl.ax')")
        try:
            empty.execute("INSERT INTO virtual (address, userid) VALUES ('a@snorl.ax', ?)", (text,))
        except REFUSED:
            with suppress(UsageError):
                assert addresses.target(text) != text
            return
        assert addresses.target(text) == text


def test_homes_are_the_same_relative_and_absolute(people: Connection) -> None:
    people.execute(
        "UPDATE users SET home = '/var/mail/vhosts/snorl.ax/mails/user' WHERE userid = 'user@snorl.ax'"
    )
    query = "SELECT path FROM users WHERE userid = 'user@snorl.ax'"
    assert people.execute(query).fetchone() == ("snorl.ax/mails/user",)
    with pytest.raises(REFUSED):  # another's Maildir
        people.execute("INSERT INTO users (userid, home) VALUES ('x@snorl.ax', 'snorl.ax/mails/user')")


COLUMNS = {
    ("transport", "domain"): "INSERT INTO transport (domain) VALUES (?)",
    ("users", "userid"): "INSERT INTO users (userid) VALUES (?)",
    ("users", "password"): "INSERT INTO users (userid, password) VALUES ('a@snorl.ax', ?)",
    ("users", "realname"): "INSERT INTO users (userid, realname) VALUES ('a@snorl.ax', ?)",
    ("users", "home"): "INSERT INTO users (userid, home) VALUES ('a@snorl.ax', ?)",
    ("users", "mail"): "INSERT INTO users (userid, mail) VALUES ('a@snorl.ax', ?)",
    ("users", "quota"): "INSERT INTO users (userid, quota) VALUES ('a@snorl.ax', ?)",
    ("users", "active"): "INSERT INTO users (userid, active) VALUES ('a@snorl.ax', ?)",
    ("users", "uid"): "INSERT INTO users (userid, uid) VALUES ('a@snorl.ax', ?)",
    ("virtual", "address"): "INSERT INTO virtual (address, userid) VALUES (?, 'x@other.example')",
    ("virtual", "userid"): "INSERT INTO virtual (address, userid) VALUES ('a@snorl.ax', ?)",
    ("grants", "address"): "INSERT INTO grants (address, userid) VALUES (?, 'kim@snorl.ax')",
}
VALUES = {
    "domain": NASTY | st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True),
    "userid": PLACES | NASTY,
    "address": PLACES | NASTY | st.just("@snorl.ax"),
    "password": NASTY | st.text(max_size=30),
    "realname": st.text(max_size=30) | st.text(min_size=250, max_size=260),
    "mail": st.text(max_size=30),
    "home": HOMES,
    "quota": st.integers(-2, 2**70),
    "active": st.integers(-1, 3),
    "uid": st.sampled_from([0, 8, 5000, 5001, None]),
}


@pytest.mark.parametrize(("table", "column"), COLUMNS)
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_both_backends_take_the_same_values(
    both: list[Connection], table: str, column: str, data: st.DataObject
) -> None:
    """Else something could be stored in one that cannot be carried to the other."""
    value = data.draw(VALUES[column])
    taken = []
    for connection in both:
        with undone(connection):
            fill(connection, "INSERT INTO transport (domain) VALUES ('snorl.ax'), ('b.example')")
            fill(connection, "INSERT INTO users (userid) VALUES ('kim@snorl.ax')")
            try:
                connection.execute(COLUMNS[table, column], (value,))
            except (*REFUSED, OverflowError):
                taken.append(None)
            else:
                taken.append(set(connection.execute(f"SELECT {column} FROM {table}")))
    assert taken[0] == taken[1]
