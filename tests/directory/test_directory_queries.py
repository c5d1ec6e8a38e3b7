"""What Postfix and Dovecot get for their questions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.directory.people import NAMES, fill, undone

from posthouse.directory import Connection, queries
from posthouse.directory.queries import dialect_of
from posthouse.errors import UsageError

Resolve = Callable[[str], set[str]]
USER = "user@snorl.ax"


def alias(connection: Connection, address: str, *targets: str) -> None:
    for target in targets:
        connection.execute("INSERT INTO virtual (address, userid) VALUES (?, ?)", (address, target))


def test_one_step(resolve: Resolve) -> None:
    assert resolve(USER) == {USER}
    assert resolve("User@SNORL.ax") == {USER}
    assert resolve("kim@snorl.ax") == {USER}
    assert resolve("nobody@snorl.ax") == set()
    assert resolve("somebody@other.example") == set()


def test_plus_addresses_keep_their_extension_on_the_way_to_a_mailbox(
    people: Connection, resolve: Resolve
) -> None:
    assert resolve("user+a+b@snorl.ax") == {"user+a+b@snorl.ax"}
    assert resolve("kim+t@snorl.ax") == {"user+t@snorl.ax"}
    assert resolve("kim+t@twin.example") == {"user+t@snorl.ax"}
    assert resolve("+t@snorl.ax") == set()
    alias(people, "user+news@snorl.ax", "b@b.example")
    assert resolve("user+news@snorl.ax") == {"b@b.example"}
    alias(people, "far@snorl.ax", "x@other.example")
    assert resolve("far+t@snorl.ax") == {"x@other.example"}


def test_chains_loops_and_dead_ends(people: Connection, resolve: Resolve) -> None:
    alias(people, "one@snorl.ax", "two@snorl.ax", "gone@snorl.ax", "off@snorl.ax")
    alias(people, "two@snorl.ax", "one@snorl.ax", "kim@twin.example", "x@other.example")
    assert resolve("one@snorl.ax") == {USER, "x@other.example"}
    alias(people, "snake@snorl.ax", "snake@snorl.ax")
    assert resolve("snake@snorl.ax") == set()
    alias(people, "snake+x@snorl.ax", "snake@snorl.ax")
    assert resolve("snake+x@snorl.ax") == set()


def test_no_alias_leads_to_a_unix_user(people: Connection, resolve: Resolve) -> None:
    alias(people, "evil@snorl.ax", "root@mail.snorl.ax", USER)
    assert resolve("evil@snorl.ax") == {USER}


def test_a_mailbox_that_is_an_alias_keeps_its_copy(people: Connection, resolve: Resolve) -> None:
    alias(people, "user2@snorl.ax", "x@other.example", "kim@snorl.ax")
    assert resolve("user2@snorl.ax") == {"user2@snorl.ax", "x@other.example", USER}
    assert resolve("user2+t@snorl.ax") == {"user2+t@snorl.ax", "x@other.example", "user+t@snorl.ax"}


def test_the_catch_all_takes_only_what_nothing_else_takes(people: Connection, resolve: Resolve) -> None:
    alias(people, "@snorl.ax", "b@b.example")
    assert resolve("anything@snorl.ax") == {"b@b.example"}
    assert resolve("anything+t@twin.example") == {"b@b.example"}
    assert resolve("user2@snorl.ax") == {"user2@snorl.ax"}
    assert resolve("user2+t@snorl.ax") == {"user2+t@snorl.ax"}
    assert resolve("off@snorl.ax") == set()
    assert resolve("abuse@snorl.ax") == {USER}
    assert resolve("@snorl.ax") == set()
    assert (
        resolve("snorl.ax") == resolve("user") == resolve("") == resolve("a@b@c") == resolve("a@b+c") == set()
    )


@pytest.mark.parametrize("local", ["postmaster", "Abuse", "root", "dmarc-reports", "postmaster+x"])
@pytest.mark.parametrize("domain", ["snorl.ax", "b.example", "twin.example"])
def test_builtin_addresses(resolve: Resolve, local: str, domain: str) -> None:
    assert resolve(f"{local}@{domain}") == {USER}


def test_a_builtin_address_may_be_given_away_but_never_lost(people: Connection, resolve: Resolve) -> None:
    alias(people, "abuse@b.example", "b@b.example")
    assert resolve("abuse@b.example") == {"b@b.example"}
    alias(people, "postmaster@b.example", "gone@b.example")
    assert resolve("postmaster@b.example") == {USER}
    people.execute("INSERT INTO users (userid, active) VALUES ('root@b.example', 0)")
    assert resolve("root@b.example") == {USER}
    alias(people, "info@b.example", "dmarc-reports@b.example")
    assert resolve("info@b.example") == {USER}


def test_what_is_switched_off_is_not_there(people: Connection, resolve: Resolve) -> None:
    people.execute("UPDATE virtual SET active = 0")
    assert resolve("kim@snorl.ax") == set()
    people.execute("UPDATE transport SET active = 0 WHERE domain = 'b.example'")
    alias(people, "to-b@snorl.ax", "b@b.example")
    assert resolve("to-b@snorl.ax") == resolve("b@b.example") == resolve("postmaster@b.example") == set()
    assert people.execute(queries.domains("'b.example'", dialect=dialect_of(people))).fetchall() == []
    assert people.execute(queries.domains("'SNORL.ax'", dialect=dialect_of(people))).fetchall() == [
        ("snorl.ax",)
    ]
    assert people.execute(queries.mailboxes("'b@b.example'", dialect=dialect_of(people))).fetchall() == []


@pytest.mark.parametrize(
    "key", ["", "@", "+", "a", "+@", "@+", "a@b+c", "é@snorl.ax", "x'y", "\u212aim@snorl.ax"]
)
def test_any_key_has_an_answer(people: Connection, key: str) -> None:
    dialect = dialect_of(people)
    for query in (
        *(ask(dialect=dialect) for ask in (queries.domains, queries.mailboxes, queries.unaliased)),
        *(ask(NAMES, dialect=dialect) for ask in (queries.aliases, queries.disabled)),
        queries.passdb("%s", "%s", "%s", dialect),
        queries.passdb_mechanism("%s", "CRAM-MD5", dialect),
        queries.userdb("%s", queries.USERDB_23, dialect),
    ):
        assert people.execute(query.replace("%s", key.replace("'", "''"))).fetchall() == []


def test_which_senders_are_ours(people: Connection) -> None:
    people.execute("UPDATE transport SET active = 0 WHERE domain = 'b.example'")
    keys = {"x@snorl.ax": True, "+y@SNORL.ax": True, "@b.example": True, "é@snorl.ax": True}
    keys |= dict.fromkeys(("", "<>", "snorl.ax@", "@", "x@sub.snorl.ax", "x@other.example"), False)
    for key, is_ours in keys.items():
        found = people.execute(queries.ours(f"'{key}'", dialect_of(people))).fetchall()
        assert found == ([("DUNNO",)] if is_ours else []), key


def test_mailboxes_and_disabled_ones(people: Connection) -> None:
    assert people.execute(queries.mailboxes("'USER@snorl.ax'", dialect=dialect_of(people))).fetchall() == [
        ("snorl.ax/mails/user/",)
    ]
    for address in ("off@snorl.ax", "kim@snorl.ax", "snorl.ax"):
        assert people.execute(queries.mailboxes(f"'{address}'", dialect=dialect_of(people))).fetchall() == []
    assert (
        people.execute(queries.disabled(NAMES, "'off@snorl.ax'", dialect_of(people)))
        .fetchone()[0]
        .startswith("550 5.2.1")
    )
    assert people.execute(queries.disabled(NAMES, f"'{USER}'", dialect_of(people))).fetchall() == []
    alias(people, "off@snorl.ax", USER)
    assert people.execute(queries.disabled(NAMES, "'off@snorl.ax'", dialect_of(people))).fetchall() == []


@pytest.mark.parametrize("home", ["old/place", "/var/mail/vhosts/old/place"])
def test_dovecot(people: Connection, home: str) -> None:
    hashes = {
        "{ARGON2ID}$argon2id$v=19$x": "{ARGON2ID}$argon2id$v=19$x",
        "$argon2id$v=19$x": "{ARGON2ID}$argon2id$v=19$x",
        "$6$salt$x": "{CRYPT}$6$salt$x",
        "abJnggxhB/yWI": "{CRYPT}abJnggxhB/yWI",
    }
    for stored, expected in hashes.items():
        people.execute("UPDATE users SET password = ? WHERE userid = ?", (stored, USER))
        kind = "new" if "argon2id" in stored else "old"
        for key in ("USER@snorl.ax", "kim@snorl.ax"):  # its login, and an alias of nobody else's
            asked = queries.passdb(key, "0", "imap", dialect_of(people))
            assert people.execute(asked).fetchall() == [(USER, expected, None, "-", kind)]
    alias(people, "kim@snorl.ax", "user2@snorl.ax")
    for nobody in ("kim@snorl.ax", "off@snorl.ax", "b@b.example", "root", "x'' OR ''''=''"):
        assert people.execute(queries.passdb(nobody, "0", "imap", dialect_of(people))).fetchall() == []
    people.execute("UPDATE users SET quota = 1000, home = ? WHERE userid = ?", (home, USER))
    old = people.execute(queries.userdb(USER, queries.USERDB_23, dialect_of(people)))
    assert dict(zip([column[0] for column in old.description], old.fetchone(), strict=True)) == {
        "user": USER,
        "uid": 5000,
        "gid": 5000,
        "home": "/var/mail/sieve/old/place",
        "mail": "maildir:/var/mail/vhosts/old/place:INDEX=/var/mail/indexes/old/place",
        "quota_rule": "*:bytes=1000",
        "tempfail": None,
    }
    new = people.execute(queries.userdb(USER, queries.USERDB_24, dialect_of(people)))
    row = dict(zip([column[0] for column in new.description], new.fetchone(), strict=True))
    assert row["mail_path"] == "/var/mail/vhosts/old/place"
    assert row["quota_storage_size"] == "1000B"
    listed = [row[0] for row in people.execute(queries.iterate(dialect_of(people)))]
    assert listed == ["b@b.example", "user2@snorl.ax", USER]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_text_has_no_sign_that_a_map_file_reads_as_its_own(dialect: queries.Dialect) -> None:
    postfix = [
        *(
            ask(dialect=dialect)
            for ask in (queries.domains, queries.ours, queries.mailboxes, queries.unaliased)
        ),
        *(ask(NAMES, dialect=dialect) for ask in (queries.aliases, queries.disabled)),
    ]
    dovecot = [
        queries.passdb("%u", "%u", "%u", dialect),
        queries.passdb_mechanism("%u", "CRAM-MD5", dialect),
        queries.userdb("%u", queries.USERDB_24, dialect),
        queries.iterate(dialect),
    ]
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
SMALL = """
INSERT INTO transport (domain) VALUES ('s.example');
INSERT INTO transport (domain, alias_of) VALUES ('t.example', 's.example');
INSERT INTO users (userid) VALUES ('box@s.example');
INSERT INTO users (userid, active) VALUES ('off@s.example', 0);
"""


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SOURCES, TARGETS), max_size=14), HERE)
def test_any_web_of_aliases_ends_in_final_recipients(
    empty: Connection, rows: list[tuple[str, str]], start: str
) -> None:
    dialect = dialect_of(empty)
    aliases = queries.aliases(queries.Names("box@s.example", "reports", ("localhost",)), dialect=dialect)

    def ask(query: str, key: str) -> set[str]:
        return {row[0] for row in empty.execute(query.replace("%s", key))}

    with undone(empty):
        fill(
            empty,
            SMALL,
        )
        for row in set(rows):
            empty.execute("INSERT INTO virtual (address, userid) VALUES (?, ?)", row)
        found = ask(aliases, start)
        assert {address.replace("+x", "") for address in found} <= {"box@s.example", "far@other.example"}
        if start == "box@s.example" or start.startswith("postmaster"):
            assert found
        # What Postfix asks first may only be the same answer, sooner.
        assert ask(queries.unaliased(dialect=dialect), start) in (set(), found)
        # Postfix asks again for each: nothing new may come of it, but what the postmaster's mailbox forwards.
        for address in found - {"far@other.example"}:
            assert ask(aliases, address) <= found or start.startswith("postmaster")
