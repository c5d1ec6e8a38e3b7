"""The watch without its log and its packet filter: from lines to what is kept and said."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.mailflow import log
from posthouse.watch import fail2ban, store
from posthouse.watch.watcher import Settings, Watcher

FILTER = Path(__file__).parents[2] / "src/posthouse/stack/fail2ban/filter.conf.j2"
HERE = "198.51.100.7"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bans.sqlite"


@pytest.fixture
def watcher(path: Path) -> Iterator[Watcher]:
    with store.opened(path) as kept:
        yield Watcher(Settings(10, 600.0, 604_800.0), kept)


def wrong(watcher: Watcher, mark: str, address: str = HERE) -> None:
    say(
        watcher,
        f"auth-worker(user@snorl.ax,{address})<490><wPkO>: request [10]: Info: accounts: Password mismatch (SHA1 of"
        f" given password: {mark}) - trying the next passdb",
    )


def right(watcher: Watcher) -> None:
    say(
        watcher,
        f"imap-login: Info: Logged in: user=<user@snorl.ax>, method=PLAIN, rip={HERE}, lip=192.0.2.1, mpid=721, TLS,"
        " session=<eEsH>",
    )


def say(watcher: Watcher, text: str) -> None:
    line = log.file_line("dovecot", f"{datetime.now():%b %d %H:%M:%S} {text}")
    assert line is not None
    watcher.take(line)


def test_a_device_with_an_old_password_until_it_has_the_new_one(watcher: Watcher, path: Path) -> None:
    right(watcher)
    for _ in range(200):
        wrong(watcher, "5ca")
    with store.opened(path) as kept:
        assert kept.standing() == []
        watcher._write()
        (told,) = kept.same_passwords(0)
        assert (told.login, told.address) == ("user@snorl.ax", HERE)
        assert told.worked
        right(watcher)
        assert kept.same_passwords(0) == []
        # Begun anew, the watch still knows where the login worked.
        again = Watcher(watcher.settings, kept)
        wrong(again, "5ca")
        wrong(again, "5ca")
        assert [one.times for one in kept.same_passwords(0)] == [2]


def test_fail2bans_filter_finds_each_address_and_no_range(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    for last in (7, 8, 9):
        for n in range(10):
            wrong(watcher, f"{n:03x}", f"198.51.100.{last}")
    failregex = re.search(r"^failregex = (.*)$", FILTER.read_text(), re.MULTILINE)
    assert failregex is not None
    pattern = failregex[1].replace("<ADDR>", r"(?P<address>[0-9a-f.:]+)")
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    # fail2ban takes the time out of a file's line, and gives a journal's the name of its host
    for head in ("mail posthouse-watch[1]: ", " posthouse-watch: ", "posthouse-watch: "):
        lines = [f"{head}{record.levelname}: {record.getMessage()}" for record in said]
        found = [match["address"] for line in lines if (match := re.match(pattern, line))]
        assert len(lines) == 3
        assert found == ["198.51.100.7", "198.51.100.8"]


def test_a_ban_by_hand_is_told_as_ours_are(
    watcher: Watcher, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store.opened(path) as other:
        other.add(ip_network("192.0.2.1"), None, "before it began")
        watcher.tick()
        other.add(ip_network("192.0.2.7"), 3600.0, "a\nWARNING: banned 9.9.9.9 for good: x")
        other.add(ip_network("192.0.2.8"), None, "")
        watcher.tick()
        watcher.tick()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sorted(told) == ["banned 192.0.2.7 for 3600 s: by hand", "banned 192.0.2.8 for good: by hand"]


def test_fail2bans_jail_holds_addresses_that_may_be_banned() -> None:
    banned = [
        ip_network(one)
        for one in ("192.0.2.7", "192.0.2.9", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/64")
    ]
    never = [ip_network(one) for one in ("192.0.2.8/30", "2001:db8:2::/48")]
    assert fail2ban.barred(banned, never) == {"192.0.2.7", "2001:db8::1"}


def test_fail2bans_jail_is_asked_in_pauses_and_told_at_once_whom_to_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, said = {"192.0.2.1"}, []

    def client(*words: str) -> str:
        said.append(words[0] if words[0] == "get" else words[2])
        if "banip" in words[2:3] and words[0] == "set":
            held.update(words[3:])
        elif "unbanip" in words:
            held.difference_update(words[3:])
        return " ".join(held)

    monkeypatch.setattr("posthouse.paths.FAIL2BAN", tmp_path / "sock")
    monkeypatch.setattr(fail2ban, "_told", client)
    jail = fail2ban.Jail()
    with pytest.raises(PosthouseError, match="does not run"):
        jail.follow(set(), whole=True)
    paths.FAIL2BAN.touch()
    jail.follow({"192.0.2.7"}, whole=False)
    assert said == []
    jail.follow({"192.0.2.7"}, whole=True)
    assert held == {"192.0.2.7"}
    said.clear()
    jail.follow({"192.0.2.7"}, whole=True)
    jail.follow({"192.0.2.7", "192.0.2.8"}, whole=False)  # it reads of that in the log
    assert said == []
    jail.follow({"192.0.2.8"}, whole=False)
    assert said == ["unbanip"]
    jail.follow({"192.0.2.8"}, whole=True)
    assert held == {"192.0.2.8"}
