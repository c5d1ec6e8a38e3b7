"""The keeper sees what plain SQL does, and comes back when the directory was away."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from posthouse import directory
from posthouse.agent.domains import RETRY_LOOKS
from posthouse.agent.keeper import Keeper
from posthouse.agent.keys import KeyNotMade, Keys
from posthouse.agent.notify import notify
from posthouse.errors import PosthouseError


def keeper(path: Path, made: list[str]) -> Keeper:
    async def ensure(domain: str) -> None:
        made.append(domain)

    return Keeper(path, lambda: directory.open_writer(path), ensure)


def test_wal_and_shm_stay_while_it_lives(database: Path) -> None:
    kept = keeper(database, [])
    kept.open()
    with closing(sqlite3.connect(database)) as other:
        other.execute("UPDATE users SET realname = 'x'")
        other.commit()
    assert database.with_name("mails.sqlite-wal").exists()
    assert database.with_name("mails.sqlite-shm").exists()
    kept.close()
    with pytest.raises(PosthouseError):
        kept.connection()


def test_a_domain_added_by_plain_sql_gets_its_key(database: Path) -> None:
    made: list[str] = []

    async def check() -> None:
        kept = keeper(database, made)
        kept.open()
        await kept.look()
        assert made == ["snorl.ax"]
        await kept.look()
        assert made == ["snorl.ax"]  # nothing changed, nothing asked
        with closing(sqlite3.connect(database)) as other:
            other.execute("INSERT INTO transport (domain, transport) VALUES ('second.example', 'virtual:')")
            other.commit()
        await kept.look()
        assert made[1:] == ["second.example", "snorl.ax"]
        kept.close()

    asyncio.run(check())


def test_a_key_that_could_not_be_made_is_tried_again(database: Path) -> None:
    tries = []

    async def ensure(domain: str) -> None:
        tries.append(domain)
        if len(tries) == 1:
            raise KeyNotMade("no room")

    async def check() -> None:
        kept = Keeper(database, lambda: directory.open_writer(database), ensure)
        kept.open()
        for _ in range(RETRY_LOOKS):
            await kept.look()
        assert tries == ["snorl.ax"]
        for _ in range(3):
            await kept.look()
        kept.close()

    asyncio.run(check())
    assert tries == ["snorl.ax"] * 2


def test_a_lost_directory_is_found_again(database: Path, tmp_path: Path) -> None:
    async def check() -> None:
        kept = keeper(database, [])
        kept.open()
        aside = tmp_path / "aside"
        database.rename(aside)
        with pytest.raises(FileNotFoundError):
            await kept.look()
        kept.close()
        aside.rename(database)
        await kept.look()
        assert kept.connection().execute("SELECT count(*) FROM users").fetchone() == (2,)
        kept.close()

    asyncio.run(check())


def test_keys_are_made_once_and_seen(tmp_path: Path) -> None:
    async def check() -> None:
        keys = Keys(tmp_path)
        assert not keys.has("snorl.ax")
        await asyncio.gather(*(keys.ensure("snorl.ax") for _ in range(3)))
        assert keys.has("snorl.ax")
        assert len(list(tmp_path.glob("snorl.ax.*.key"))) == 1
        (tmp_path / "selectors.map").unlink()
        assert not keys.has("snorl.ax")
        await keys.ensure("snorl.ax")
        assert keys.has("snorl.ax")
        next(tmp_path.glob("snorl.ax.*.key")).unlink()
        with pytest.raises(KeyNotMade, match="it is gone"):
            await keys.ensure("snorl.ax")
        with pytest.raises(KeyNotMade):
            await keys.ensure("../evil")

    asyncio.run(check())


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@posthouse-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
        notify("FDSTORE=1", 0)
        said, descriptors, _, _ = socket.recv_fds(manager, 100, 1)
        assert said == b"FDSTORE=1"
        for descriptor in descriptors:
            os.close(descriptor)
        assert len(descriptors) == 1
