"""Bans on the disk: they grow, outlast, end, and are lifted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from posthouse.watch import store, table
from posthouse.watch.score import Ban, SamePassword

FIRST, LONGEST = 600.0, 604_800.0
NOW = time.time()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watch/bans.sqlite"


@pytest.fixture
def kept(path: Path) -> Iterator[store.Store]:
    with store.opened(path) as opened:
        yield opened


def ban(network: str = "198.51.100.7", when: float = NOW, mild: bool = False) -> Ban:
    return Ban(ip_network(network), "address", "10 failed logins", ("one", "two"), when, mild)


def test_each_further_ban_is_longer(kept: store.Store) -> None:
    now, lengths = NOW, []
    for _ in range(6):
        made = kept.ban(ban(when=now), FIRST, LONGEST, now)
        assert made is not None
        assert made.until is not None
        lengths.append(made.until - made.since)
        now = made.until + 1
        kept.expire(now)
    assert lengths == [600, 3600, 21_600, 129_600, 604_800, 604_800]
    made = kept.ban(ban(when=now + store.FORGIVEN), FIRST, LONGEST, now + store.FORGIVEN)
    assert made is not None
    assert made.until == made.since + FIRST


def test_a_mild_one_does_not_grow(kept: store.Store) -> None:
    for now in (NOW, NOW + 1000, NOW + 2000):
        made = kept.ban(ban(when=now, mild=True), FIRST, LONGEST, now)
        assert made is not None
        assert made.until == now + FIRST


def test_it_outlasts_the_process(path: Path) -> None:
    with store.opened(path) as kept:
        kept.ban(ban(), FIRST, LONGEST, NOW)
    assert path.stat().st_mode & 0o077 == 0
    with store.opened(path) as kept:
        (found,) = kept.standing(NOW + 1)
        assert (str(found.network), found.lines, found.author) == ("198.51.100.7/32", ("one", "two"), "watch")
        assert kept.standing(NOW + FIRST) == []
        # The same lines, read again after a restart, are no new reason.
        assert kept.ban(ban(), FIRST, LONGEST, NOW + FIRST + 1, again=True) is None


def test_what_is_banned_already_is_not_banned_again(kept: store.Store) -> None:
    kept.add(ip_network("198.51.100.0/24"), None, "mine")
    assert kept.ban(ban(), FIRST, LONGEST, NOW) is None


def test_lifting_an_address_lifts_its_range_and_forgets(kept: store.Store) -> None:
    now = time.time()  # which `lift` looks at too; NOW is from when the whole run began
    assert kept.ban(ban("198.51.100.0/24", now), FIRST, LONGEST, now)
    found = kept.lift(ip_network("198.51.100.9"))
    assert [str(one.network) for one in found] == ["198.51.100.0/24"]
    assert kept.standing(now) == []
    again = kept.ban(ban("198.51.100.0/24", now), FIRST, LONGEST, now, again=True)
    assert again is None  # from before it was lifted


def test_from_where_logins_worked(kept: store.Store) -> None:
    here, home = ip_address("198.51.100.7"), ip_address("2001:db8:1:2::7")
    kept.note_worked({("a", store.place(here)): NOW - 60, ("b", store.place(home)): NOW - 30})
    for login, address in (("a", here), ("b", ip_address("2001:db8:1:2::9")), ("b", here)):
        kept.note(SamePassword(login, address, 2, NOW))
    found = {(one.login, one.address): one.worked for one in kept.same_passwords(NOW - 1)}
    assert found == {
        ("a", "198.51.100.7"): NOW - 60,
        ("b", "2001:db8:1:2::9"): NOW - 30,
        ("b", "198.51.100.7"): None,
    }
    kept.has_new_password("a", "198.51.100.7")
    assert {one.login for one in kept.same_passwords(NOW - 1)} == {"b"}
    assert list(kept.worked()) == [("b", "2001:db8:1:2::/64"), ("a", "198.51.100.7")]
    kept.ban(ban(), FIRST, LONGEST, NOW)
    kept.expire(NOW + store.FORGIVEN + FIRST)
    assert kept.worked() == {}


def test_the_table_reads_well(kept: store.Store) -> None:
    """Overlapping networks become one element each; what is never banned stands before."""
    nets = [ip_network(text) for text in ("198.51.100.7", "198.51.100.0/24", "2001:db8::/64", "192.0.2.1")]
    text = table.text(nets, [ip_network("192.0.2.1")])
    assert "elements = { 192.0.2.1/32, 198.51.100.0/24 }" in text
    assert "elements = { 2001:db8::/64 }" in text
    assert text.index("@never4") < text.index("@banned4")
    assert kept.standing() == []


def test_missing_rights_are_said(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("CapPrm:\t00\nCapBnd:\t000001ffffffefff\n")
    assert "CAP_NET_ADMIN" in table.missing_right(status)
    status.write_text("CapBnd:\t000001ffffffffff\n")
    assert table.missing_right(status) == ""
