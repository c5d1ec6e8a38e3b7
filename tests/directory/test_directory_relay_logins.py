"""Logins at smart hosts in the directory, and the key that seals them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.directory.people import REFUSED

from posthouse.directory import Connection, relay_logins
from posthouse.errors import PosthouseError, UsageError
from posthouse.ops import logins, sealed


def test_kept_changed_found_and_taken_away(people: Connection) -> None:
    relay_logins.put(people, "smtp.example.org", "us", "sealed-a")
    relay_logins.put(people, "snorl.ax", "them", "sealed-b")
    relay_logins.put(people, "smtp.example.org", "us@example.org", "sealed-c")
    found = relay_logins.list(people)
    assert [(one.name, one.username, one.sealed) for one in found] == [
        ("smtp.example.org", "us@example.org", "sealed-c"),
        ("snorl.ax", "them", "sealed-b"),
    ]
    first = relay_logins.first(people, ("snorl.ax", "smtp.example.org"))
    assert first is not None
    assert first.username == "them"
    assert relay_logins.first(people, ("elsewhere.example",)) is None
    relay_logins.remove(people, "snorl.ax")
    with pytest.raises(UsageError, match=r"no login of snorl\.ax"):
        relay_logins.remove(people, "snorl.ax")


@pytest.mark.parametrize(
    ("name", "username", "kept"),
    [
        ("Smtp.example.org", "us", "x"),
        ("smtp example.org", "us", "x"),
        ("", "us", "x"),
        ("smtp.example.org", "u:s", "x"),
        ("smtp.example.org", "u\ns", "x"),
        ("smtp.example.org", "", "x"),
        ("smtp.example.org", "us", "a b"),
        ("smtp.example.org", "us", "x" * 4097),
    ],
)
def test_what_no_map_can_hold_is_refused(people: Connection, name: str, username: str, kept: str) -> None:
    with pytest.raises(REFUSED):
        people.execute(
            "INSERT INTO relay_logins (name, username, sealed) VALUES (?, ?, ?)", (name, username, kept)
        )


def test_a_sealed_password_opens_for_its_own_login_alone(tmp_path: Path) -> None:
    key = tmp_path / "relay" / "key"
    secret, bound = "pässword #:", logins.bound("smtp.example.org", "us")
    made = sealed.seal(secret, bound, key)
    assert key.stat().st_mode & 0o777 == 0o600
    assert sealed.opened(made, bound, key) == secret
    assert sealed.seal(secret, bound, key) != made
    raw = bytearray(made.encode())
    raw[20] ^= 1
    for text, what in ((made, logins.bound("evil.example", "us")), (raw.decode(), bound), ("", bound)):
        with pytest.raises(PosthouseError, match="does not open"):
            sealed.opened(text, what, key)
    other = tmp_path / "other"
    sealed.seal(secret, bound, other)
    with pytest.raises(PosthouseError, match="does not open"):
        sealed.opened(made, bound, other)
    other.unlink()
    with pytest.raises(PosthouseError, match="cannot be read"):
        sealed.opened(made, bound, other)
