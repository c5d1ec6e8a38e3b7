"""App passwords: rows, what Dovecot finds by them, and the mark that ends sessions."""

from __future__ import annotations

import hashlib

import pytest
from tests.directory.people import REFUSED, undone

from posthouse.directory import Connection, accounts, app_passwords, queries
from posthouse.directory.queries import dialect_of
from posthouse.errors import UsageError

USER, OTHER = "user@snorl.ax", "user2@snorl.ax"


def login(connection: Connection, user: str, secret: str, service: str) -> list[str]:
    """Which app passwords Dovecot finds: name and account."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    rows = connection.execute(queries.passdb(user, digest, service, dialect_of(connection))).fetchall()
    return [f"{row[3]} of {row[0]}" for row in rows if row[1:3] == (None, "Y")]


def mark(connection: Connection, user: str) -> int:
    return connection.execute("SELECT revoked FROM users WHERE userid = ?", (user,)).fetchone()[0]  # type: ignore[no-any-return]


def test_for_its_protocols_and_its_account_alone(people: Connection) -> None:
    made, secret = app_passwords.add(people, "USER@snorl.ax", "phone", ("imap", "smtp"))
    assert made.protocols == ("imap", "smtp")
    assert made.last_used is None
    assert len(secret) == 26  # 128 bits in base32
    for user in (USER, "User@Snorl.AX", "kim@snorl.ax"):
        assert (
            login(people, user, secret, "imap") == login(people, user, secret, "smtp") == [f"phone of {USER}"]
        )
    for user, given, service in (
        (USER, secret, "pop3"),
        (USER, secret, "sieve"),
        (USER, secret, "doveadm"),
        (USER, secret.upper(), "imap"),
        (USER, "", "imap"),
        (OTHER, secret, "imap"),
        ("off@snorl.ax", secret, "imap"),
    ):
        assert login(people, user, given, service) == [], (user, service)
    assert secret not in str(people.execute("SELECT * FROM app_passwords").fetchall())
    with undone(people):
        people.execute("UPDATE users SET frozen = 1 WHERE userid = ?", (USER,))
        assert login(people, USER, secret, "imap") == []
    with undone(people):
        people.execute("UPDATE users SET apps_only = 1, password = NULL WHERE userid = ?", (USER,))
        assert login(people, USER, secret, "imap") == [f"phone of {USER}"]


def test_the_main_password_can_be_barred(people: Connection) -> None:
    for barred, columns in ((True, "apps_only"), (True, "frozen"), (False, "quota")):
        with undone(people):
            people.execute(f"UPDATE users SET {columns} = 1 WHERE userid = ?", (USER,))
            found = people.execute(queries.passdb(USER, "0", "imap", dialect_of(people))).fetchall()
            assert (found == []) == barred


def test_revoked_it_ends_what_began_before(people: Connection) -> None:
    for name in ("phone", "tablet"):
        app_passwords.add(people, USER, name)
    before = mark(people, USER)
    with pytest.raises(UsageError, match="has no app password 'radio'"):
        app_passwords.revoke(people, USER, ["phone", "radio"])
    assert [found.name for found in app_passwords.list(people, USER)] == ["phone", "tablet"]
    assert app_passwords.revoke(people, USER, ["phone"]) == ["phone"]
    first = mark(people, USER)
    assert first > before
    people.execute("UPDATE app_passwords SET smtp = 0 WHERE name = 'tablet'")
    second = mark(people, USER)
    assert second > first
    people.execute("DELETE FROM app_passwords WHERE name = 'tablet'")  # by plain SQL
    assert mark(people, USER) > second
    accounts.end_sessions(people, OTHER)
    assert mark(people, OTHER) > mark(people, USER)  # above everybody's


def test_when_it_was_used(people: Connection) -> None:
    app_passwords.add(people, USER, "phone")
    before = mark(people, USER)
    app_passwords.used(people, [(USER, "phone", 0.0, "198.18.0.9"), (USER, "gone", 0.0, "::1")])
    (found,) = app_passwords.list(people, USER)
    assert (found.last_used, found.last_address) == ("1970-01-01 00:00:00", "198.18.0.9")
    assert mark(people, USER) == before


@pytest.mark.parametrize("name", ["", " x", "x ", "x\ty", "é", "a'b", "a%b", "x" * 65, "-"])
def test_names_that_cannot_be(people: Connection, name: str) -> None:
    with pytest.raises((UsageError, *REFUSED)):
        app_passwords.add(people, USER, name)


def test_one_name_once_and_protocols_that_are(people: Connection) -> None:
    app_passwords.add(people, USER, "phone")
    with pytest.raises(UsageError, match="already"):
        app_passwords.add(people, USER, "phone")
    app_passwords.add(people, OTHER, "phone")
    for wrong in ((), ("imap", "ftp")):
        with pytest.raises(UsageError, match="protocols"):
            app_passwords.add(people, USER, "x", wrong)
    with pytest.raises(UsageError, match="there is no account"):
        app_passwords.add(people, "nobody@snorl.ax", "x")


def test_they_go_with_the_account_and_verifiers_with_the_password(people: Connection) -> None:
    app_passwords.add(people, USER, "phone")
    add = "INSERT INTO verifiers (userid, mechanism, verifier) VALUES (?, ?, ?)"
    people.execute(add, (USER, "CRAM-MD5", "{CRAM-MD5}00"))
    with pytest.raises(REFUSED), undone(people):
        people.execute(add, (USER, "SCRAM-SHA-256", "{CRAM-MD5}00"))
    people.execute("UPDATE users SET password = password, quota = 5 WHERE userid = ?", (USER,))
    assert people.execute("SELECT count(*) FROM verifiers").fetchone()[0] == 1
    accounts.set_password(people, USER, "{PLAIN}other")
    assert people.execute("SELECT count(*) FROM verifiers").fetchone()[0] == 0
    people.execute(add, (USER, "CRAM-MD5", "{CRAM-MD5}00"))
    accounts.remove(people, USER)
    for table in ("app_passwords", "verifiers"):
        assert people.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
