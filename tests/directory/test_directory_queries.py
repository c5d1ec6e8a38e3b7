"""What Postfix and Dovecot get for their questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.directory.people import NAMES

from posthouse.directory import queries, schema
from posthouse.errors import UsageError

Resolve = Callable[[str], set[str]]
USER = "user@snorl.ax"


def alias(connection: sqlite3.Connection, address: str, *targets: str) -> None:
    for target in targets:
        connection.execute("INSERT INTO virtual (address, userid) VALUES (?, ?)", (address, target))


def test_one_step(resolve: Resolve) -> None:
    assert resolve(USER) == {USER}
    assert resolve("User@SNORL.ax") == {USER}
    assert resolve("kim@snorl.ax") == {USER}
    assert resolve("nobody@snorl.ax") == set()
    assert resolve("somebody@other.example") == set()


def test_plus_addresses_keep_their_extension_on_the_way_to_a_mailbox(
    people: sqlite3.Connection, resolve: Resolve
) -> None:
    assert resolve("user+a+b@snorl.ax") == {"user+a+b@snorl.ax"}
    assert resolve("kim+t@snorl.ax") == {"user+t@snorl.ax"}
    assert resolve("kim+t@twin.example") == {"user+t@snorl.ax"}
    assert resolve("+t@snorl.ax") == set()
    alias(people, "user+news@snorl.ax", "b@b.example")
    assert resolve("user+news@snorl.ax") == {"b@b.example"}
    alias(people, "far@snorl.ax", "x@other.example")
    assert resolve("far+t@snorl.ax") == {"x@other.example"}


def test_chains_loops_and_dead_ends(people: sqlite3.Connection, resolve: Resolve) -> None:
    alias(people, "one@snorl.ax", "two@snorl.ax", "gone@snorl.ax", "off@snorl.ax")
    alias(people, "two@snorl.ax", "one@snorl.ax", "kim@twin.example", "x@other.example")
    assert resolve("one@snorl.ax") == {USER, "x@other.example"}
    alias(people, "snake@snorl.ax", "snake@snorl.ax")
    assert resolve("snake@snorl.ax") == set()
    alias(people, "snake+x@snorl.ax", "snake@snorl.ax")
    assert resolve("snake+x@snorl.ax") == set()


def test_no_alias_leads_to_a_unix_user(people: sqlite3.Connection, resolve: Resolve) -> None:
    alias(people, "evil@snorl.ax", "root@mail.snorl.ax", USER)
    assert resolve("evil@snorl.ax") == {USER}


def test_a_mailbox_that_is_an_alias_keeps_its_copy(people: sqlite3.Connection, resolve: Resolve) -> None:
    alias(people, "user2@snorl.ax", "x@other.example", "kim@snorl.ax")
    assert resolve("user2@snorl.ax") == {"user2@snorl.ax", "x@other.example", USER}
    assert resolve("user2+t@snorl.ax") == {"user2+t@snorl.ax", "x@other.example", "user+t@snorl.ax"}


def test_the_catch_all_takes_only_what_nothing_else_takes(
    people: sqlite3.Connection, resolve: Resolve
) -> None:
    alias(people, "@snorl.ax", "b@b.example")
    assert resolve("anything@snorl.ax") == {"b@b.example"}
    assert resolve("anything+t@twin.example") == {"b@b.example"}
    assert resolve("user2@snorl.ax") == {"user2@snorl.ax"}
    assert resolve("user2+t@snorl.ax") == {"user2+t@snorl.ax"}
    assert resolve("off@snorl.ax") == set()
    assert resolve("abuse@snorl.ax") == {USER}
    assert resolve("@snorl.ax") == set()
    assert resolve("snorl.ax") == resolve("user") == resolve("") == set()


@pytest.mark.parametrize("local", ["postmaster", "Abuse", "root", "dmarc-reports", "postmaster+x"])
@pytest.mark.parametrize("domain", ["snorl.ax", "b.example", "twin.example"])
def test_builtin_addresses(resolve: Resolve, local: str, domain: str) -> None:
    assert resolve(f"{local}@{domain}") == {USER}


def test_a_builtin_address_may_be_given_away_but_never_lost(
    people: sqlite3.Connection, resolve: Resolve
) -> None:
    alias(people, "abuse@b.example", "b@b.example")
    assert resolve("abuse@b.example") == {"b@b.example"}
    alias(people, "postmaster@b.example", "gone@b.example")
    assert resolve("postmaster@b.example") == {USER}
    people.execute("INSERT INTO users (userid, active) VALUES ('root@b.example', 0)")
    assert resolve("root@b.example") == {USER}
    alias(people, "info@b.example", "dmarc-reports@b.example")
    assert resolve("info@b.example") == {USER}


def test_what_is_switched_off_is_not_there(people: sqlite3.Connection, resolve: Resolve) -> None:
    people.execute("UPDATE virtual SET active = 0")
    assert resolve("kim@snorl.ax") == set()
    people.execute("UPDATE transport SET active = 0 WHERE domain = 'b.example'")
    alias(people, "to-b@snorl.ax", "b@b.example")
    assert resolve("to-b@snorl.ax") == resolve("b@b.example") == resolve("postmaster@b.example") == set()
    assert people.execute(queries.domains("'b.example'")).fetchall() == []
    assert people.execute(queries.domains("'SNORL.ax'")).fetchall() == [("snorl.ax",)]
    assert people.execute(queries.mailboxes("'b@b.example'")).fetchall() == []


def test_mailboxes_and_disabled_ones(people: sqlite3.Connection) -> None:
    assert people.execute(queries.mailboxes("'USER@snorl.ax'")).fetchall() == [("snorl.ax/mails/user/",)]
    for address in ("off@snorl.ax", "kim@snorl.ax", "snorl.ax"):
        assert people.execute(queries.mailboxes(f"'{address}'")).fetchall() == []
    assert people.execute(queries.disabled(NAMES, "'off@snorl.ax'")).fetchone()[0].startswith("550 5.2.1")
    assert people.execute(queries.disabled(NAMES, f"'{USER}'")).fetchall() == []
    alias(people, "off@snorl.ax", USER)
    assert people.execute(queries.disabled(NAMES, "'off@snorl.ax'")).fetchall() == []


def test_dovecot(people: sqlite3.Connection) -> None:
    hashes = {
        "{ARGON2ID}$argon2id$v=19$x": "{ARGON2ID}$argon2id$v=19$x",
        "$argon2id$v=19$x": "{ARGON2ID}$argon2id$v=19$x",
        "$6$salt$x": "{CRYPT}$6$salt$x",
        "abJnggxhB/yWI": "{CRYPT}abJnggxhB/yWI",
    }
    for stored, expected in hashes.items():
        people.execute("UPDATE users SET password = ? WHERE userid = ?", (stored, USER))
        assert people.execute(queries.passdb("USER@snorl.ax")).fetchall() == [(USER, expected)]
    for nobody in ("off@snorl.ax", "b@b.example", "kim@snorl.ax", "root", "x'' OR ''''=''"):
        assert people.execute(queries.passdb(nobody)).fetchall() == []
    people.execute("UPDATE users SET quota = 1000, home = 'old/place' WHERE userid = ?", (USER,))
    old = people.execute(queries.userdb(USER, queries.USERDB_23))
    assert dict(zip([column[0] for column in old.description], old.fetchone(), strict=True)) == {
        "user": USER,
        "uid": 5000,
        "gid": 5000,
        "home": "/var/mail/sieve/old/place",
        "mail": "maildir:/var/mail/vhosts/old/place:INDEX=/var/mail/indexes/old/place",
        "quota_rule": "*:bytes=1000",
    }
    new = people.execute(queries.userdb(USER, queries.USERDB_24))
    row = dict(zip([column[0] for column in new.description], new.fetchone(), strict=True))
    assert row["mail_path"] == "/var/mail/vhosts/old/place"
    assert row["quota_storage_size"] == "1000B"
    listed = [row[0] for row in people.execute(queries.iterate())]
    assert listed == ["b@b.example", "user2@snorl.ax", USER]


def test_the_text_has_no_sign_that_a_map_file_reads_as_its_own() -> None:
    postfix = [queries.domains(), queries.mailboxes(), queries.unaliased(), queries.aliases(NAMES)]
    postfix.append(queries.disabled(NAMES))
    dovecot = [queries.passdb("%u"), queries.userdb("%u", queries.USERDB_24), queries.iterate()]
    for query in postfix:
        assert "%" not in query.replace("'%s'", "")
        assert not set(query) & set('$"#{}\\\n')
    for query in dovecot:
        assert "%" not in query.replace("'%u'", "")
        assert not set(query) & set('$"#{}\\\n')


def test_names_of_a_site() -> None:
    site = SimpleNamespace(
        domain="snorl.ax",
        hostname="mail.snorl.ax",
        postmaster="user@snorl.ax",
        dmarc=SimpleNamespace(report_to="abuse"),
    )
    names = queries.Names.of(site)  # type: ignore[arg-type]
    assert names.builtin == ("postmaster", "abuse", "root")
    assert names.local == ("mail.snorl.ax", "localhost", "localhost.snorl.ax")
    with pytest.raises(UsageError):
        queries.aliases(queries.Names("o'neill@snorl.ax", "r", ()))


LOCALS = ["a", "b", "c", "d", "box", "off", "a+x", "postmaster"]
DOMAINS = ["s.example", "t.example"]
HERE = st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS))
TARGETS = HERE | st.just("far@other.example")
SOURCES = HERE | st.just("@s.example")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(SOURCES, TARGETS), max_size=14), HERE)
def test_any_web_of_aliases_ends_in_final_recipients(rows: list[tuple[str, str]], start: str) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema.migrations()[0][1].read_text())
    connection.executescript(
        """INSERT INTO transport (domain) VALUES ('s.example');
        INSERT INTO transport (domain, alias_of) VALUES ('t.example', 's.example');
        INSERT INTO users (userid) VALUES ('box@s.example');
        INSERT INTO users (userid, active) VALUES ('off@s.example', 0);"""
    )
    connection.executemany("INSERT OR IGNORE INTO virtual (address, userid) VALUES (?, ?)", rows)
    query = queries.aliases(queries.Names("box@s.example", "reports", ("localhost",)), "?1")
    found = {row[0] for row in connection.execute(query, (start,))}
    assert {address.replace("+x", "") for address in found} <= {"box@s.example", "far@other.example"}
    if start == "box@s.example" or start.startswith("postmaster"):
        assert found
    # What Postfix asks first may only be the same answer, sooner.
    sooner = {row[0] for row in connection.execute(queries.unaliased("?1"), (start,))}
    assert sooner in (set(), found)
    # Postfix asks again for each: nothing new may come of it, but what the postmaster's mailbox forwards.
    for address in found - {"far@other.example"}:
        again = {row[0] for row in connection.execute(query, (address,))}
        assert again <= found or start.startswith("postmaster")
