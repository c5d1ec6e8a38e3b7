"""The watch without its log and its packet filter: from lines to what is kept and said."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from posthouse.mailflow import log
from posthouse.watch import store
from posthouse.watch.watcher import Settings, Watcher

DOCS = Path(__file__).parents[2] / "docs/bans.md"
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


def test_the_filter_in_the_documentation_finds_each_ban(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    for last in (7, 8, 9):
        for n in range(10):
            wrong(watcher, f"{n:03x}", f"198.51.100.{last}")
    failregex = re.search(r"^ +failregex = (.*)$", DOCS.read_text(), re.MULTILINE)
    assert failregex is not None
    pattern = failregex[1].replace("<SUBNET>", r"(?P<subnet>[0-9a-f.:]+(?:/\d+)?)")
    said = [f"mail posthouse-watch[1]: {record.levelname}: {record.getMessage()}" for record in caplog.records
            if record.levelno == logging.WARNING]  # fmt: skip
    found = [match["subnet"] for line in said if (match := re.match(pattern, line))]
    assert found == ["198.51.100.7", "198.51.100.8", "198.51.100.0/24"]
