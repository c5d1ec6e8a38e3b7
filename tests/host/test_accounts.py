from __future__ import annotations

import os

import pytest

from posthouse.errors import PosthouseError, UsageError
from posthouse.host import accounts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_observed() -> None:
    assert accounts.groups(["root", "no-such-group"]) == {"root": 0, "no-such-group": None}
    found = accounts.users(["root", "no-such-user"])
    assert found["no-such-user"] is None
    assert found["root"] is not None
    assert (found["root"].uid, found["root"].group) == (0, "root")


def test_the_function_runs_as_the_user_with_nothing_of_root() -> None:
    def who() -> tuple[tuple[int, int, int], list[int], int]:
        mask = os.umask(0)
        return os.getresuid(), os.getgroups(), mask

    ids, groups, mask = accounts.drop_to("nobody", who)
    assert set(ids) == {65534}
    assert 0 not in groups
    assert mask == 0o027


def test_nothing_of_it_happens_here() -> None:
    kept: list[int] = []
    accounts.drop_to("nobody", lambda: kept.append(1))
    assert kept == []
    assert os.geteuid() == 0


def test_its_errors_come_back_as_what_they_are() -> None:
    def refuse() -> None:
        raise UsageError("wrong", "do it right")

    with pytest.raises(UsageError) as caught:
        accounts.drop_to("nobody", refuse)
    assert (caught.value.message, caught.value.hint) == ("wrong", "do it right")


def test_any_other_end_is_an_error() -> None:
    with pytest.raises(PosthouseError, match="ZeroDivisionError"):
        accounts.drop_to("nobody", lambda: 1 // 0)
    with pytest.raises(PosthouseError, match="without an answer"):
        accounts.drop_to("nobody", lambda: os._exit(7))
    with pytest.raises(PosthouseError, match="pickle"):
        accounts.drop_to("nobody", lambda: lambda: 1)
    with pytest.raises(PosthouseError, match="no user"):
        accounts.drop_to("no-such-user", lambda: 1)


def test_a_large_answer_comes_back_whole() -> None:
    assert len(accounts.drop_to("nobody", lambda: "x" * 1_000_000)) == 1_000_000
