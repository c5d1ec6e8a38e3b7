"""Passwords."""

from __future__ import annotations

import pytest

from posthouse.directory import passwords
from posthouse.errors import UsageError


@pytest.mark.parametrize(
    "password", ["x", "'; DROP --", '"q" %s $HOME `id` \\', " lead and trail ", "日本語 ü", "x" * 1024]
)
def test_a_password_verifies(password: str) -> None:
    stored = passwords.hash(password)
    assert stored.startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(stored, password)
    assert not passwords.verify(stored, password + "x")


@pytest.mark.parametrize("password", ["", "a\nb", "a\0b", "\r", "x" * 1025, "ü" * 513, "x" * 4096, "\udcff"])
def test_what_is_no_password(password: str) -> None:
    with pytest.raises(UsageError, match="password") as caught:
        passwords.hash(password)
    assert caught.value.hint


@pytest.mark.parametrize("stored", [None, "", "{PLAIN}x", "x", "{ARGON2ID}", "{ARGON2ID}$argon2id$nonsense"])
def test_other_hashes_are_not_ours_to_judge(stored: str | None) -> None:
    assert not passwords.verify(stored, "x")


def test_generated_passwords() -> None:
    made = {passwords.generate() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) == 29 and password.isascii() for password in made)
