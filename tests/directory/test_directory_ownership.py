"""Who may send as what."""

from __future__ import annotations

import pytest
from tests.directory.people import NAMES

from posthouse.directory import Connection, aliases, grants
from posthouse.directory.ownership import owned_by_login, owned_by_unix
from posthouse.errors import PosthouseError

USER, USER2 = "user@snorl.ax", "user2@snorl.ax"


@pytest.mark.parametrize(
    "address",
    [
        USER,
        "User@Snorl.AX",
        "user+a@snorl.ax",
        "user@twin.example",
        "user+a@twin.example",
        "kim@snorl.ax",
        "kim+a@snorl.ax",
        "kim@twin.example",
    ],
)
def test_what_a_login_owns(people: Connection, address: str) -> None:
    assert owned_by_login(people, USER, address)
    assert not owned_by_login(people, USER2, address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "user",
        "@snorl.ax",
        "user@",
        "nobody@snorl.ax",
        "user@other.example",
        "user@b.example",
        "off@snorl.ax",
        "postmaster@snorl.ax",
        '"user"@snorl.ax',
        "user@snorl.ax\n",
        "user@snorl.ax,user2@snorl.ax",
        "us\0er@snorl.ax",
        "<user@snorl.ax>",
        "user @snorl.ax",
        "user%other.example@snorl.ax",
        "x+user@snorl.ax",
    ],
)
def test_what_nobody_owns(people: Connection, address: str) -> None:
    assert not owned_by_login(people, USER, address)


def test_an_alias_is_owned_by_its_only_target(people: Connection) -> None:
    aliases.add(people, "chain@snorl.ax", ["kim@twin.example"])
    assert owned_by_login(people, USER, "chain@snorl.ax")
    aliases.add(people, "kim@snorl.ax", [USER2])
    for address in ("kim@snorl.ax", "chain@snorl.ax"):
        assert not owned_by_login(people, USER, address)
        assert not owned_by_login(people, USER2, address)


def test_targets_that_lead_nowhere_count(people: Connection) -> None:
    people.execute("INSERT INTO virtual (address, userid) VALUES ('kim@snorl.ax', 'off@snorl.ax')")
    assert not owned_by_login(people, USER, "kim@snorl.ax")


def test_loops_end(people: Connection) -> None:
    people.execute(
        "INSERT INTO virtual (address, userid) "
        "VALUES ('a@snorl.ax', 'c@snorl.ax'), ('c@snorl.ax', 'a@snorl.ax')"
    )
    assert not owned_by_login(people, USER, "a@snorl.ax")
    people.execute("INSERT INTO virtual (address, userid) VALUES ('c@snorl.ax', ?)", (USER,))
    assert owned_by_login(people, USER, "a@snorl.ax")


def test_a_mailbox_that_forwards_is_still_its_own(people: Connection) -> None:
    aliases.add(people, USER, ["x@other.example", USER2])
    assert owned_by_login(people, USER, USER)
    assert owned_by_login(people, USER, "kim@snorl.ax")
    assert not owned_by_login(people, USER2, USER)


def test_a_plus_address_may_be_given_away(people: Connection) -> None:
    aliases.add(people, "user+sales@snorl.ax", [USER2])
    assert not owned_by_login(people, USER, "user+sales@snorl.ax")
    assert owned_by_login(people, USER2, "user+sales@snorl.ax")


def test_a_catch_all_takes_a_grant(people: Connection) -> None:
    aliases.add(people, "@b.example", [USER])
    assert not owned_by_login(people, USER, "any@b.example")
    grants.add(people, USER, "@b.example")
    assert owned_by_login(people, USER, "any@b.example")
    assert owned_by_login(people, USER, "b@b.example")
    assert not owned_by_login(people, USER2, "any@b.example")
    assert not owned_by_login(people, USER, "any@snorl.ax")


def test_a_grant_holds_for_plus_addresses_and_domain_aliases(people: Connection) -> None:
    grants.add(people, USER2, "kim@snorl.ax")
    for address in ("kim@snorl.ax", "kim+a@snorl.ax", "kim@twin.example"):
        assert owned_by_login(people, USER2, address)


def test_what_is_switched_off_owns_nothing(people: Connection) -> None:
    assert not owned_by_login(people, "off@snorl.ax", "off@snorl.ax")
    people.execute("UPDATE virtual SET active = 0")
    assert not owned_by_login(people, USER, "kim@snorl.ax")
    grants.add(people, "b@b.example", "kim@snorl.ax")
    people.execute("UPDATE transport SET active = 0 WHERE domain = 'b.example'")
    assert not owned_by_login(people, "b@b.example", "kim@snorl.ax")
    people.execute("UPDATE transport SET active = 0 WHERE domain = 'snorl.ax'")
    assert not owned_by_login(people, USER, USER)
    assert not owned_by_login(people, USER, "user@twin.example")


def test_the_postmaster_owns_the_builtin_addresses(people: Connection) -> None:
    for address in ("postmaster@snorl.ax", "abuse@b.example", "dmarc-reports@twin.example"):
        assert owned_by_login(people, USER, address, NAMES)
        assert not owned_by_login(people, USER2, address, NAMES)
    aliases.add(people, "abuse@b.example", ["b@b.example"])
    assert not owned_by_login(people, USER, "abuse@b.example", NAMES)


def test_a_row_at_a_domain_alias_goes_before_its_twin(people: Connection) -> None:
    people.execute("INSERT INTO virtual (address, userid) VALUES ('user@twin.example', ?)", (USER2,))
    assert owned_by_login(people, USER2, "user@twin.example")
    assert not owned_by_login(people, USER, "user@twin.example")


@pytest.mark.parametrize(
    ("user", "address", "owned"),
    [
        ("shelly", "shelly@snorl.ax", True),
        ("shelly", "Shelly+x@SNORL.ax", True),
        ("shelly", "shelly@mail.snorl.ax", True),
        ("shelly", "shelly@b.example", False),
        ("shelly", USER, False),
        ("shelly", "root@snorl.ax", False),
        ("shelly", "shelly@other.example", False),
        ("shelly", "", False),
        ("root", "kim@snorl.ax", True),
        ("root", "anything@twin.example", True),
        ("root", "root@mail.snorl.ax", True),
        ("root", "ceo@other.example", False),
    ],
)
def test_unix_users(people: Connection, user: str, address: str, owned: bool) -> None:
    assert owned_by_unix(people, user, address, "mail.snorl.ax", "snorl.ax") is owned


def test_no_answer_is_neither_yes_nor_no(people: Connection) -> None:
    people.close()
    with pytest.raises(PosthouseError):
        owned_by_login(people, USER, USER)
