"""The listener hears what plain SQL does, answers in time or not at all, and comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests import postgresql
from tests.agent.peer import Peer

from posthouse import directory
from posthouse.agent import __main__ as agent
from posthouse.agent import listener
from posthouse.agent.listener import Listener
from posthouse.agent.milter import Milter, Service
from posthouse.agent.senders import Directory
from posthouse.directory import Server, Unreachable
from posthouse.directory.queries import Names
from posthouse.errors import PosthouseError

NAMES = Names("user@snorl.ax", "dmarc-reports", ("mail.snorl.ax", "localhost"))


def listening(server: Server, made: list[str]) -> Listener:
    async def ensure(domain: str) -> None:
        made.append(domain)

    return Listener(server, ensure)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


def count(kept: Listener) -> int:
    return int(kept.connection().execute("SELECT count(*) FROM users").fetchone()[0])


def test_a_domain_added_by_plain_sql_gets_its_key(server: Server, cluster: postgresql.Cluster) -> None:
    made: list[str] = []

    async def check() -> None:
        kept = listening(server, made)
        await kept.begin()
        assert made == ["snorl.ax"]
        await kept.look()
        assert made == ["snorl.ax"]  # nothing changed, nothing asked
        done = cluster.psql("mailwriter", "INSERT INTO transport VALUES ('second.example', 'virtual:')")
        assert done.returncode == 0, done.stdout
        await kept.look()
        assert made[1:] == ["second.example", "snorl.ax"]
        kept.close()

    asyncio.run(check())


def test_a_lost_server_is_found_again_without_a_hand(
    server: Server, cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "LOOK_SECONDS", 0.05)

    async def check() -> None:
        kept = listening(server, [])
        await kept.begin()
        looking = asyncio.create_task(kept.run())
        try:
            await asyncio.to_thread(cluster.stop)
            await until(lambda: kept._connection is None)
            with pytest.raises(Unreachable):
                await kept.ask(lambda: count(kept))
        finally:
            await asyncio.to_thread(cluster.start)
        await until(lambda: kept._connection is not None)
        assert await kept.ask(lambda: count(kept)) == 2
        looking.cancel()
        kept.close()

    asyncio.run(check())


def test_an_agent_that_starts_first_waits_for_the_server(server: Server, cluster: postgresql.Cluster) -> None:
    async def check() -> None:
        kept = listening(server, [])
        cluster.stop()
        try:
            await kept.begin()
            with pytest.raises(Unreachable):
                kept.connection()
        finally:
            cluster.start()
        await kept.look()
        assert await kept.ask(lambda: count(kept)) == 2
        kept.close()

    asyncio.run(check())


def test_a_server_that_hangs_holds_nobody_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is stopped in the midst of a question: the milter says 451, and the event loop goes on."""

    async def check() -> None:
        kept = listening(server, [])
        await kept.begin()
        process = kept.connection().raw.info.backend_pid
        people = Directory(kept.connection, "mail.snorl.ax", "snorl.ax", NAMES, kept.ask)

        async def no_key(domain: str) -> None:
            pass

        milter = Milter(Service(people, no_key), tmp_path / "milter.sock")
        await milter.start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "milter.sock")
        peer = Peer(reader, writer)
        await peer.negotiate()
        assert await peer.mail("user@snorl.ax", auth_authen="user@snorl.ax", daemon_name="smtpd") == ""
        peer.send(b"A")
        os.kill(process, signal.SIGSTOP)
        monkeypatch.setattr(listener, "MOST_SECONDS", 0.5)
        try:
            asked = asyncio.create_task(
                peer.mail("user@snorl.ax", auth_authen="user@snorl.ax", daemon_name="smtpd")
            )
            turns = 0
            while not asked.done():
                await asyncio.sleep(0.01)
                turns += 1
            assert (await asked).startswith("451 4.3.0 ")
            assert turns > 1
        finally:
            os.kill(process, signal.SIGCONT)
            monkeypatch.undo()
        await kept.look()
        peer.send(b"A")
        assert await peer.mail("user@snorl.ax", auth_authen="user@snorl.ax", daemon_name="smtpd") == ""
        writer.close()
        await milter.stop()
        kept.close()

    asyncio.run(check())


def test_it_cannot_write(server: Server) -> None:
    async def check() -> None:
        kept = listening(server, [])
        await kept.begin()
        with pytest.raises(PosthouseError, match="read-only"):
            await kept.ask(lambda: kept.connection().execute("DELETE FROM virtual"))
        assert await kept.ask(lambda: count(kept)) == 2
        kept.close()

    asyncio.run(check())


def test_the_agent_begins_anew_where_the_directory_went(
    database: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", database)
    monkeypatch.setattr(agent, "LOOK_SECONDS", 0)

    async def check() -> None:
        end = asyncio.Event()
        watching = asyncio.create_task(agent.moved(end, database))
        for _ in range(10):
            await asyncio.sleep(0)
        directory.switch(database)
        database.with_name("backend").write_text("nonsense")
        for _ in range(10):
            await asyncio.sleep(0)
        assert not end.is_set()
        database.with_name("backend").unlink()
        directory.switch(server)
        assert await asyncio.wait_for(watching, 10)
        assert end.is_set()

    asyncio.run(check())
    assert directory.current() == server
    with closing(directory.open_readonly()) as opened:
        assert opened.execute("SELECT count(*) FROM users").fetchone() == (2,)
