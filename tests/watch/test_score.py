"""Who is banned for what: addresses, ranges, and who only has an old password."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from posthouse.watch.score import Ban, SamePassword, Score
from posthouse.watch.signs import Kind, Sign

HERE = "198.51.100.7"
FAILURES = 10


def sign(
    kind: Kind,
    address: str = HERE,
    user: str = "user@snorl.ax",
    mark: str = "",
    when: float = 0.0,
    weight: int = 1,
) -> Sign:
    return Sign(when, ip_address(address), kind, f"{kind} {user} {mark}", user, mark, weight)


@pytest.fixture
def score() -> Score:
    return Score(FAILURES)


def add(score: Score, signs: list[Sign]) -> list[Ban]:
    return [found for found in map(score.add, signs) if isinstance(found, Ban)]


@pytest.mark.parametrize("kind", ["auth", "login", "relay"])
def test_ten_failures_ban(score: Score, kind: Kind) -> None:
    assert not add(score, [sign(kind, mark=f"{n:03x}") for n in range(FAILURES - 1)])
    (ban,) = add(score, [sign(kind, mark="fff")])
    assert ban.network == ip_network(HERE)
    assert ban.kind == "address"
    assert len(ban.lines) == FAILURES
    assert not ban.mild


def test_both_daemons_tell_of_the_same_failures(score: Score) -> None:
    for n in range(FAILURES - 1):
        assert not add(score, [sign("auth", mark=f"{n:03x}"), sign("login")])
    assert add(score, [sign("auth", mark="fff")])


def test_one_that_tells_of_more_is_believed(score: Score) -> None:
    assert not add(score, [sign("auth", mark="1"), sign("login", weight=9)])
    assert add(score, [sign("login")])


def test_an_hour_later_it_is_forgotten(score: Score) -> None:
    assert not add(score, [sign("auth", mark=f"{n:03x}", when=n * 401.0) for n in range(50)])


def test_an_old_password_said_again_and_again(score: Score) -> None:
    said = [score.add(sign("auth", mark="d7b", when=n)) for n in range(150)]
    assert not [one for one in said if isinstance(one, Ban)]
    last = said[-1]
    assert isinstance(last, SamePassword)
    assert (last.login, str(last.address), last.times) == ("user@snorl.ax", HERE, 150)
    # It is told apart from somebody who guesses beside it.
    assert add(score, [sign("auth", mark=f"{n:03x}", when=150) for n in range(FAILURES)])


def test_where_the_login_worked_before_it_is_told_at_once_and_never_banned() -> None:
    score = Score(FAILURES, lambda login, address: (login, str(address)) == ("user@snorl.ax", HERE))
    assert score.add(sign("auth", mark="d7b")) is None
    second = score.add(sign("auth", mark="d7b", when=1))
    assert isinstance(second, SamePassword)
    assert second.times == 2
    assert not add(score, [sign("auth", mark="d7b", when=n) for n in range(2, 390)])
    # Only that login, there, with one password.
    assert add(score, [sign("auth", mark=f"{n:03x}", when=390) for n in range(FAILURES)])
    assert add(score, [sign("auth", address="198.51.100.9", mark="d7b", when=n) for n in range(400, 600)])


def test_many_addresses_with_stolen_passwords_have_fewer_tries() -> None:
    home = "198.51.100.7"
    score = Score(FAILURES, lambda _, address: str(address) == home)
    crowd = [f"2001:db8:{n:x}::7" for n in range(40)]
    for times in (1, 2):
        tried = [sign("auth", one, f"u{n}@snorl.ax", f"{times:03x}") for n, one in enumerate(crowd)]
        assert not add(score, tried)
    assert not add(score, [sign("auth", home, mark=f"{n:03x}") for n in range(FAILURES - 1)])
    assert not add(score, [sign("relay", "192.0.2.1") for _ in range(FAILURES - 1)])
    (ban,) = add(score, [sign("auth", crowd[3], f"a{n}@snorl.ax", "fff") for n in range(2)])
    assert ban.network == ip_network(crowd[3])
    # An hour later it is over.
    assert not add(score, [sign("auth", "192.0.2.2", mark=f"{n:03x}", when=4000) for n in range(9)])


def test_one_password_for_many_logins_is_guessing(score: Score) -> None:
    assert add(score, [sign("auth", user=f"user{n}@snorl.ax", mark="d7b") for n in range(FAILURES)])


def test_a_good_login_takes_back_what_failed_with_that_login(score: Score) -> None:
    for _ in range(5):
        assert not add(score, [sign("auth", mark=f"{n:03x}") for n in range(FAILURES - 1)])
        assert score.add(sign("good")) is None
    other = [sign("auth", user="other@snorl.ax", mark=f"{n:03x}") for n in range(FAILURES - 1)]
    assert not add(score, [*other, sign("good")])
    assert add(score, [sign("auth", user="other@snorl.ax", mark="fff")])


def attempt(mark: str, when: float, marks: tuple[str, ...] = ("", "told", "told"), **who: str) -> list[Sign]:
    """What both daemons say where a program tries CRAM-MD5, then PLAIN, then LOGIN, later each time."""
    signs = []
    for n, one in enumerate(marks):
        signs.append(sign("auth", mark=one and mark, when=when + 6 * n, **who))
        signs.append(sign("login", when=when + 6 * n + 2, **who))
    return signs


def test_one_attempt_by_several_mechanisms_is_one_failure(score: Score) -> None:
    assert not add(score, attempt("d7b", 0))
    assert not add(score, [sign("auth", mark=f"{n:03x}", when=20) for n in range(FAILURES - 2)])
    assert add(score, [sign("auth", mark="fff", when=20)])


@pytest.mark.parametrize("marks", [("", "told", "told"), ("told", ""), ("", "", "told")])
def test_a_telephone_that_tries_several_mechanisms_is_known_as_one(marks: tuple[str, ...]) -> None:
    score = Score(FAILURES, lambda *_: True)
    said = [score.add(one) for n in range(60) for one in attempt("d7b", 120.0 * n, marks)]
    assert not [one for one in said if isinstance(one, Ban)]
    assert any(isinstance(one, SamePassword) for one in said)


def test_where_the_login_never_worked_it_may_do_so_every_five_minutes(score: Score) -> None:
    said = [score.add(one) for n in range(100) for one in attempt("d7b", 300.0 * n)]
    assert not [one for one in said if isinstance(one, Ban)]
    assert any(isinstance(one, SamePassword) for one in said)


@pytest.mark.parametrize("known", [False, True])
def test_who_guesses_by_a_mechanism_that_hides_the_password_is_banned(known: bool) -> None:
    score = Score(FAILURES, lambda *_: known)
    assert not add(score, [sign("auth", when=n) for n in range(FAILURES - 1)])
    assert add(score, [sign("auth", when=60)])


@pytest.mark.parametrize(("known", "most"), [(False, 2 * FAILURES), (True, 100)])
@pytest.mark.parametrize("passwords", [1, 3, 9])
def test_no_password_that_is_told_beside_hides_guesses(known: bool, most: int, passwords: int) -> None:
    score = Score(FAILURES, lambda *_: known)
    for guess in range(1, most + 1):
        told = sign("auth", mark=f"{guess % passwords:03x}", when=guess)
        if add(score, [told, sign("auth", when=guess), sign("login", when=guess)]):
            break
    else:
        pytest.fail(f"{most} guesses and no ban")


def test_no_flood_of_one_password_hides_others() -> None:
    score = Score(FAILURES, lambda *_: True)
    for guess in range(100):
        flood = [sign("auth", mark="d7b", when=10.0 * guess) for _ in range(40)]
        if add(score, [*flood, sign("auth", mark="d7b", when=10.0 * guess), sign("auth", when=10.0 * guess)]):
            break
    else:
        pytest.fail("no ban")
    score = Score(FAILURES, lambda *_: True)
    for guess in range(FAILURES - 1):
        assert not add(score, [sign("auth", mark="d7b", when=guess) for _ in range(200)])
        found = add(score, [sign("auth", mark=f"{guess:03x}", when=guess)])
    assert found


def test_another_login_beside_it_or_another_minute_makes_no_attempt(score: Score) -> None:
    assert not add(score, [sign("auth", user="other@snorl.ax", mark="d7b", when=n) for n in range(100)])
    assert not add(score, [sign("auth", when=n) for n in range(3)])
    score = Score(FAILURES, lambda *_: True)
    assert not add(score, [sign("auth", mark="d7b")])
    assert add(score, [sign("auth", when=70 + n) for n in range(FAILURES)])


def test_twenty_unknown_recipients(score: Score) -> None:
    same = [sign("recipient", mark="old@snorl.ax")] * 30
    assert not add(score, same + [sign("recipient", mark=f"{n}@snorl.ax") for n in range(18)])
    (ban,) = add(score, [sign("recipient", mark="last@snorl.ax")])
    assert ban.mild


def test_one_idle_connection_after_the_other_is_no_attack_and_many_are(score: Score) -> None:
    """A silent connection takes five minutes, so one at a time makes twelve an hour."""
    assert not add(score, [sign("slow", when=300.0 * n) for n in range(100)])
    (ban,) = add(score, [sign("slow", "192.0.2.1", when=15.0 * n) for n in range(20)])
    assert ban.mild
    assert ban.reason == "20 connections that said nothing in time within an hour"
    (ban,) = add(score, [sign("slow", f"203.0.113.{n % 30}") for n in range(60)])
    assert str(ban.network) == "203.0.113.0/24"


def test_neighbours_that_were_banned_ban_their_range(score: Score) -> None:
    bans = []
    for host in (7, 8, 9):
        bans += add(score, [sign("auth", f"198.51.100.{host}", mark=f"{n:03x}") for n in range(FAILURES)])
    assert [str(ban.network) for ban in bans] == ["198.51.100.7/32", "198.51.100.8/32", "198.51.100.0/24"]
    assert bans[-1].kind == "range"


def test_one_address_alone_never_bans_its_range(score: Score) -> None:
    bans = add(score, [sign("auth", mark=f"{n:03x}") for n in range(300)])
    assert {ban.kind for ban in bans} == {"address"}


def test_many_neighbours_that_do_a_little_each(score: Score) -> None:
    signs = [
        sign("auth", f"198.51.100.{n % 10}", user=f"{n}@snorl.ax", mark="d7b") for n in range(3 * FAILURES)
    ]
    (ban,) = add(score, signs)
    assert str(ban.network) == "198.51.100.0/24"


def test_neighbours_with_an_old_password_are_no_range(score: Score) -> None:
    signs = [sign("auth", f"198.51.100.{n % 4}", user=f"{n % 4}@snorl.ax", mark="d7b") for n in range(200)]
    assert not add(score, signs)


def test_who_changes_his_ipv6_address_each_time(score: Score) -> None:
    bans = add(score, [sign("auth", f"2001:db8:0:1::{n:x}", mark=f"{n:03x}") for n in range(1, FAILURES + 1)])
    assert [str(ban.network) for ban in bans] == ["2001:db8:0:1::/64"]


def test_what_the_operator_lifted_is_forgotten(score: Score) -> None:
    assert add(score, [sign("auth", mark=f"{n:03x}") for n in range(FAILURES)])
    score.forget(ip_network("198.51.100.0/24"))
    assert not add(score, [sign("auth", mark=f"{n:03x}") for n in range(FAILURES - 1)])
