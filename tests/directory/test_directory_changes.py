"""Domains, accounts, aliases and grants: added, changed, removed, refused."""

from __future__ import annotations

import pytest

from posthouse.directory import Connection, accounts, aliases, domains, grants
from posthouse.directory.connect import Refused
from posthouse.errors import PosthouseError, UsageError

USER = "user@snorl.ax"


def test_domains(people: Connection) -> None:
    assert domains.add(people, "New.Example") == domains.Domain("new.example", True, None, 0, 0)
    assert [domain.name for domain in domains.list(people)] == [
        "b.example",
        "new.example",
        "snorl.ax",
        "twin.example",
    ]
    with pytest.raises(UsageError, match="here already"):
        domains.add(people, "new.example")
    with pytest.raises(UsageError, match="itself only an alias"):
        domains.add(people, "x.example", "twin.example")
    with pytest.raises(UsageError, match="not here"):
        domains.add(people, "x.example", "nowhere.example")
    assert not domains.change(people, "new.example", active=False).active
    domains.remove(people, "new.example")
    with pytest.raises(UsageError, match="not here"):
        domains.get(people, "new.example")


def test_a_domain_in_use_stays_and_says_why(people: Connection) -> None:
    with pytest.raises(PosthouseError) as caught:
        domains.remove(people, "snorl.ax")
    for name in (USER, "user2@snorl.ax", "off@snorl.ax", "kim@snorl.ax", "twin.example"):
        assert name in str(caught.value)
    accounts.remove(people, "b@b.example")
    accounts.add(people, "probe@b.example", None, system=True)  # the hidden one is no hindrance
    domains.remove(people, "b.example")


def test_accounts(people: Connection) -> None:
    made = accounts.add(people, "Ann@Snorl.ax", "{PLAIN}p", 'Ann O\'Brien "x" %s $HOME ;--', 5000)
    assert made.address == "ann@snorl.ax"
    assert made.realname == 'Ann O\'Brien "x" %s $HOME ;--'
    assert made.path == "snorl.ax/mails/ann"
    with pytest.raises(UsageError, match="here already") as caught:
        accounts.add(people, "ann@snorl.ax", "{PLAIN}p")
    assert "posthouse password ann@snorl.ax" in str(caught.value)
    with pytest.raises(UsageError, match=r"nowhere\.example is not here"):
        accounts.add(people, "ann@nowhere.example", "{PLAIN}p")
    with pytest.raises(UsageError, match=r"Add ann@snorl\.ax"):
        accounts.add(people, "ann@twin.example", "{PLAIN}p")
    with pytest.raises(Refused, match="realname"):
        accounts.change(people, "ann@snorl.ax", realname="a\nb")
    with pytest.raises(UsageError, match="quota"):
        accounts.change(people, "ann@snorl.ax", quota=-1)
    changed = accounts.change(people, "ann@snorl.ax", quota=None, active=False)
    assert (changed.quota, changed.active, changed.realname) == (None, False, made.realname)
    accounts.set_password(people, "ann@snorl.ax", None)
    assert not accounts.get(people, "ann@snorl.ax").has_password
    accounts.add(people, "probe@snorl.ax", None, system=True)
    assert [account.address for account in accounts.list(people, "snorl.ax")] == [
        "ann@snorl.ax", "off@snorl.ax", "user2@snorl.ax", USER,
    ]  # fmt: skip


def test_removing_an_account_takes_what_belongs_to_it(people: Connection) -> None:
    aliases.add(people, "both@snorl.ax", [USER, "user2@snorl.ax"])
    grants.add(people, USER, "@b.example")
    gone = accounts.remove(people, USER)
    assert gone.aliases == ("both@snorl.ax", "kim@snorl.ax")
    assert gone.may_send_as == ("@b.example",)
    assert [alias.address for alias in aliases.list(people)] == ["both@snorl.ax"]
    assert people.execute("SELECT count(*) FROM grants").fetchone() == (0,)
    with pytest.raises(UsageError, match="no account"):
        accounts.remove(people, USER)


def test_aliases(people: Connection) -> None:
    made = aliases.add(people, "Team@snorl.ax", [USER, "X@Other.Example"])
    assert made == aliases.Alias("team@snorl.ax", (USER, "x@other.example"), True)
    assert aliases.add(people, "team@snorl.ax", [USER, "user2+list@snorl.ax"]).targets == (
        "user2+list@snorl.ax", USER, "x@other.example",
    )  # fmt: skip
    assert aliases.remove(people, "team@snorl.ax", ["x@other.example"]) is not None
    with pytest.raises(UsageError, match="does not lead to"):
        aliases.remove(people, "team@snorl.ax", ["x@other.example"])
    assert not aliases.change(people, "team@snorl.ax", active=False).active
    assert aliases.remove(people, "team@snorl.ax") is None
    with pytest.raises(UsageError, match="no alias"):
        aliases.get(people, "team@snorl.ax")
    aliases.add(people, "@b.example", ["b@b.example"])
    aliases.add(people, "x@b.example", ["whatever@b.example"])  # the catch-all takes it
    aliases.add(people, "info@snorl.ax", ["postmaster@snorl.ax"])
    aliases.add(people, "user2@snorl.ax", ["user2@snorl.ax", "x@other.example"])
    assert aliases.get(people, "user2@snorl.ax").targets == ("x@other.example",)


@pytest.mark.parametrize(
    ("address", "target", "told"),
    [
        ("x@snorl.ax", "gone@snorl.ax", "does not exist"),
        ("x@snorl.ax", "gone@twin.example", "does not exist"),
        ("x@nowhere.example", USER, "not here"),
        ("@twin.example", USER, "takes its catch-all"),
        ("x@snorl.ax", "root", "not an address"),
        ("x@snorl.ax", "@snorl.ax", "not an address"),
        ("x@snorl.ax", "|sh@snorl.ax", "cannot stand"),
        ("x@snorl.ax", "x@snorl.ax", "itself"),
    ],
)
def test_aliases_that_are_refused(people: Connection, address: str, target: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        aliases.add(people, address, [target])
    assert told in str(caught.value)
    assert people.execute("SELECT count(*) FROM virtual").fetchone() == (1,)


def test_a_loop_is_refused_with_its_chain(people: Connection) -> None:
    aliases.add(people, "one@snorl.ax", [USER])
    aliases.add(people, "two@snorl.ax", ["one@twin.example"])
    with pytest.raises(UsageError) as caught:
        aliases.add(people, "one@snorl.ax", ["two@snorl.ax"])
    assert "one@snorl.ax → two@snorl.ax → one@twin.example → one@snorl.ax" in str(caught.value)
    assert aliases.get(people, "one@snorl.ax").targets == (USER,)


def test_grants(people: Connection) -> None:
    grants.add(people, "user2@snorl.ax", "kim@snorl.ax")
    grants.add(people, "user2@snorl.ax", "kim@snorl.ax")
    assert accounts.get(people, "user2@snorl.ax").may_send_as == ("kim@snorl.ax",)
    with pytest.raises(UsageError, match="not here"):
        grants.add(people, "user2@snorl.ax", "x@other.example")
    with pytest.raises(UsageError, match="no account"):
        grants.add(people, "gone@snorl.ax", "kim@snorl.ax")
    grants.remove(people, "user2@snorl.ax", "kim@snorl.ax")
    with pytest.raises(UsageError, match="no grant"):
        grants.remove(people, "user2@snorl.ax", "kim@snorl.ax")


@pytest.mark.parametrize("address", [USER, "user+tag@snorl.ax", "kim@twin.example", "who@elsewhere.example"])
def test_mail_for_these_is_taken_or_is_not_ours(people: Connection, address: str) -> None:
    aliases.check_target(people, address)


def test_an_address_that_nobody_reads_is_told(people: Connection) -> None:
    with pytest.raises(UsageError, match="is at our own domain"):
        aliases.check_target(people, "ghost@snorl.ax")


def test_a_page_of_accounts(people: Connection) -> None:
    """Pages put together are the list, whatever their size, and the last address need not be there."""
    whole = accounts.list(people)
    assert len(whole) > 3
    for limit in (1, 2, len(whole), 100):
        pages, after = [], None
        while page := accounts.list(people, after=after, limit=limit):
            assert len(page) <= limit
            pages += page
            after = page[-1].address
        assert tuple(pages) == whole
    own = accounts.list(people, "snorl.ax")
    assert accounts.list(people, "snorl.ax", after="a@snorl.ax") == own
    assert accounts.list(people, "snorl.ax", after=own[0].address, limit=1) == own[1:2]
