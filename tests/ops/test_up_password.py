"""The first account's password: one that `up` made and nobody saw is made anew, one that somebody set is his."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse import directory, paths
from posthouse.directory import accounts, passwords
from posthouse.dkim import keys
from posthouse.ops import up
from posthouse.site.model import Auth, Site

USER = "user@snorl.ax"
SITE = Site(
    domain="snorl.ax",
    hostname="mail.snorl.ax",
    postmaster=USER,
    auth=Auth(mechanisms=["scram-sha-256"]),
)
WANTED = up.Wanted("snorl.ax", "mail.snorl.ax", USER)
GIVEN = up.Wanted("snorl.ax", "mail.snorl.ax", USER, password="given one")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, and nobody has seen anything."""
    monkeypatch.setattr(paths, "DIRECTORY_DB", tmp_path / "mails.sqlite")
    monkeypatch.setattr(up, "_UNSEEN", tmp_path / "unseen")
    monkeypatch.setattr(keys, "ensure", lambda _: None)
    directory.migrate(paths.DIRECTORY_DB)


def say(wanted: up.Wanted) -> str | None:
    """What `up` does about the account; the password that it made."""
    return up._account(wanted, SITE, lambda _: None)[1]


def stored() -> str:
    """The account's hash."""
    query = "SELECT password FROM users WHERE userid = ?"
    return str(directory.reading(lambda connection: connection.execute(query, (USER,)).fetchone())[0])


def test_what_was_not_shown_is_made_anew_until_it_is() -> None:
    first = say(WANTED)
    second = say(WANTED)
    assert first is not None
    assert second not in (None, first)
    assert passwords.verify(stored(), second or "")
    up.shown()
    assert say(WANTED) is None
    assert passwords.verify(stored(), second or "")


def test_one_that_was_given_since_stays() -> None:
    assert say(WANTED) is not None
    assert say(GIVEN) is None
    assert say(WANTED) is None  # as a container's entry point says it at every start
    assert passwords.verify(stored(), "given one")


def test_one_that_was_set_by_another_command_stays() -> None:
    assert say(WANTED) is not None
    hashed = passwords.hash("set by hand")
    directory.writing(lambda connection: accounts.set_password(connection, USER, hashed))
    assert say(WANTED) is None
    assert stored() == hashed


def test_cut_off_between_the_note_and_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    say(WANTED)
    before = stored()

    def cut(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(up, "writing", cut)
        with pytest.raises(KeyboardInterrupt):
            say(WANTED)
    assert stored() == before
    assert say(WANTED) is not None


def test_every_mechanism_of_the_site_takes_it() -> None:
    say(GIVEN)
    query = "SELECT mechanism FROM verifiers WHERE userid = ?"
    found = directory.reading(lambda connection: connection.execute(query, (USER,)).fetchall())
    assert [row[0] for row in found] == ["SCRAM-SHA-256"]
