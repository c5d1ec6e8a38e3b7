"""The milter on its socket, against a real directory."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from sqlite3 import Connection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.agent.peer import QUEUE_ID, Peer

from posthouse.agent import wire
from posthouse.agent.keys import KeyNotMade
from posthouse.agent.milter import Milter, Service
from posthouse.agent.senders import Directory
from posthouse.directory import accounts
from posthouse.errors import PosthouseError

USER = "user@snorl.ax"
LOGIN = {"auth_authen": USER, "daemon_name": "ORIGINATING"}
ME = pwd.getpwuid(os.geteuid()).pw_name


async def no_key(domain: str) -> None:
    """A place where every key is there."""


@asynccontextmanager
async def milter(
    people: Directory, ensure_key: Callable[[str], Awaitable[None]] = no_key
) -> AsyncIterator[tuple[Milter, Callable[[], Awaitable[Peer]]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "milter.sock"
        served = Milter(Service(people, ensure_key), path)
        await served.start()

        async def connect() -> Peer:
            return Peer(*await asyncio.open_unix_connection(path))

        try:
            yield served, connect
        finally:
            await served.stop()
            assert not path.exists()


def unix(user: int | str, queue_id: str = QUEUE_ID) -> tuple[str, str]:
    return "X-Posthouse-User", f"{user} {queue_id} Sun, 22 Nov 2026 19:01:01 +0000 (UTC)"


def test_only_what_is_needed_is_negotiated(people: Directory) -> None:
    async def check() -> None:
        async with milter(people) as (served, connect):
            assert stat.S_IMODE(served.path.stat().st_mode) == 0o660
            data = await (await connect()).negotiate()
            assert struct.unpack("!III", data[:12]) == (
                6,
                wire.ACTIONS | wire.QUARANTINE,
                wire.STEPS & ~wire.NO_RCPT,
            )
            assert b"{auth_authen} {daemon_name} {client_addr}\0" in data

    asyncio.run(check())


def test_a_stale_socket_is_replaced(people: Directory, tmp_path: Path) -> None:
    async def check() -> None:
        (tmp_path / "s").touch()
        served = Milter(Service(people, no_key), tmp_path / "s")
        await served.start()
        assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)
        await served.stop()

    asyncio.run(check())


def test_submitted_mail_is_judged_by_the_login(people: Directory, connection: Connection) -> None:
    async def check() -> None:
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            # several messages on one connection
            for sender, author in (
                (USER, USER),
                ("kim@snorl.ax", USER),
                (USER, "Kim <kim@snorl.ax>"),
                ("", USER),
            ):
                assert await peer.mail(sender, **LOGIN) == ""
                assert await peer.end([("From", author)]) == ("", [])
            assert (await peer.mail("user2@snorl.ax", **LOGIN)).startswith("553 5.7.1 Login user@snorl.ax")
            peer.send(b"A")
            for headers in (
                [("From", "user2@snorl.ax")],
                [],
                [("From", USER), ("Sender", "x@elsewhere.example")],
            ):
                assert await peer.mail("", **LOGIN) == ""
                said, _ = await peer.end(headers)
                assert said.startswith("550 5.7.1 ")
            accounts.change(connection, USER, active=False)
            assert (await peer.mail(USER, **LOGIN)).startswith("553 ")

    asyncio.run(check())


def test_a_login_does_not_outlive_its_message(people: Directory) -> None:
    async def check() -> None:
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            assert await peer.mail(USER, **LOGIN) == ""
            assert await peer.end([("From", USER)]) == ("", [])
            peer.send(b"M", f"<{USER}>\0".encode())
            assert (await peer.packet())[1].startswith(b"530 ")

    asyncio.run(check())


def test_local_mail_is_judged_by_the_unix_user(people: Directory) -> None:
    async def check() -> None:
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            local = {"daemon_name": "LOCAL", "auth_authen": "unix"}
            number, own = os.geteuid(), f"{ME}@snorl.ax"

            assert await peer.mail(own, **local) == ""
            said, edits = await peer.end([unix(number), ("From", own)])
            assert said == ""
            assert (b"m", struct.pack("!I", 1) + b"X-Posthouse-User\0\0") in edits
            received = dict(edits)[b"i"]
            assert b"by mail.snorl.ax (Postfix)\n\tid " + QUEUE_ID.encode() in received
            assert b"userid" not in received

            assert await peer.mail("x@elsewhere.example", **local) == ""
            said, edits = await peer.end([unix(number), ("From", own)])
            assert said.startswith("553 5.7.1 Unix user")
            assert (b"e", f"<{ME}@mail.snorl.ax>\0".encode()) in edits  # the bounce goes to who sent it

            nobody = pwd.getpwnam("nobody").pw_uid
            assert await peer.mail("nobody@snorl.ax", **local) == ""
            said, _ = await peer.end([unix(nobody), ("From", USER)])
            assert said.startswith("550 5.7.1 Unix user nobody may not send as <user@snorl.ax>")

    asyncio.run(check())


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("From", USER)],
        [("From", USER), unix(0)],
        [unix(0, "OTHER"), ("From", USER)],
        [("X-Posthouse-User", "0"), ("From", USER)],
        [unix(4294967295), ("From", USER)],
        [unix(9999999999), ("From", USER)],
        [unix("-1"), ("From", USER)],
    ],
)
def test_local_mail_of_nobody_known_must_wait(people: Directory, headers: list[tuple[str, str]]) -> None:
    async def check() -> None:
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            assert await peer.mail(USER, daemon_name="LOCAL") == ""
            said, _ = await peer.end(headers)
            assert said.startswith("451 ")

    asyncio.run(check())


REDIRECTED = [("X-Sieve", "Pigeonhole"), ("X-Sieve-Redirected-From", "user2@snorl.ax")]


@pytest.mark.parametrize(
    ("envelope", "author", "passes"),
    [
        (USER, "Kim <kim@snorl.ax>", True),
        (USER, USER, True),
        ("user+tag@snorl.ax", "user+tag@snorl.ax", True),
        ("", "Postmaster <postmaster@snorl.ax>", True),  # a refusal
        (USER, "user2@snorl.ax", False),  # vacation :from somebody else
        (USER, "postmaster@snorl.ax", True),  # whose mailbox that is
        ("user2@snorl.ax", "postmaster@snorl.ax", False),
        (USER, "somebody@elsewhere.example", False),
        ("stranger@elsewhere.example", "stranger@elsewhere.example", False),
        ("", USER, False),
    ],
)
@pytest.mark.parametrize("below", [[], REDIRECTED])  # what `vacation :mime` can write
def test_sieve_answers_only_as_the_account(
    people: Directory,
    monkeypatch: pytest.MonkeyPatch,
    envelope: str,
    author: str,
    passes: bool,
    below: list[tuple[str, str]],
) -> None:
    monkeypatch.setattr("posthouse.paths.STORE_USER", ME)

    async def check() -> None:
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            assert await peer.mail(envelope, daemon_name="LOCAL") == ""
            said, edits = await peer.end([unix(os.geteuid()), ("From", author), *below])
            assert (said == "") is passes
            assert passes or (b"e", b"<postmaster@snorl.ax>\0") in edits
            # What answers by itself goes out with a null sender.
            assert ((b"e", b"<>\0") in edits) is (passes and envelope != "")

    asyncio.run(check())


def test_what_sieve_redirects_passes_and_the_filter_is_told(
    people: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.paths.STORE_USER", ME)

    async def check() -> None:
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            for envelope, author in (("a@elsewhere.example", "a@elsewhere.example"), ("", USER)):
                assert await peer.mail(envelope, daemon_name="LOCAL") == ""
                said, edits = await peer.end([unix(os.geteuid()), *REDIRECTED, ("From", author)])
                assert said == ""
                assert any(b"(Postfix, passed on for its recipient)" in data for _, data in edits)

    asyncio.run(check())


def test_what_cannot_be_judged_must_wait(people: Directory) -> None:
    def away() -> Connection:
        raise PosthouseError("away")

    async def no_key_made(domain: str) -> None:
        raise KeyNotMade(domain)

    async def check() -> None:
        gone = True
        broken = Directory(
            lambda: away() if gone else people.connection(),
            people.hostname,
            people.main_domain,
            people.names,
        )
        async with milter(broken) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            for sender in (USER, ""):
                assert (await peer.mail(sender, **LOGIN)).startswith("451 4.3.0 ")
                peer.send(b"A")
            gone = False
            assert (await peer.mail("", **LOGIN)) == ""
            gone = True
            said, _ = await peer.end([("From", USER)])
            assert said.startswith("451 4.3.0 ")
        async with milter(people, no_key_made) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            assert await peer.mail(USER, **LOGIN) == ""
            said, _ = await peer.end([("From", USER)])
            assert said.startswith("451 4.3.0 ")
        async with milter(people) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            assert (await peer.mail(USER, daemon_name="smtpd")).startswith("530 5.7.0 ")

    asyncio.run(check())


def test_a_session_ends_with_the_login(people: Directory) -> None:
    async def check() -> None:
        connection = people.connection()
        async with milter(people) as (_, connect):
            old = await connect()
            await old.negotiate()
            assert await old.helo("ORIGINATING") == ""
            assert await old.mail(USER, **LOGIN) == ""
            accounts.end_sessions(connection, USER)
            said, _ = await old.end([("From", USER)])  # what was begun before
            assert said.startswith("421 4.7.0 ")
            assert await old.helo("ORIGINATING") == ""  # makes no new session of it
            assert (await old.mail(USER, **LOGIN)).startswith("421 4.7.0 ")
            other = {"auth_authen": "user2@snorl.ax", "daemon_name": "ORIGINATING"}
            new = await connect()
            await new.negotiate()
            assert await new.helo("ORIGINATING") == ""
            assert await new.mail(USER, **LOGIN) == ""
            new.send(b"A")
            accounts.change(connection, USER, frozen=True)
            for sender in (USER, ""):
                assert "frozen" in await new.mail(sender, **LOGIN)
                new.send(b"A")
            assert await new.mail("user2@snorl.ax", **other) == ""  # nobody else's
            new.send(b"A")
            accounts.change(connection, USER, frozen=False)
            assert await new.mail(USER, **LOGIN) == ""

    asyncio.run(check())


def test_the_key_is_there_before_the_message_goes_on(people: Directory) -> None:
    asked = []

    async def ensure(domain: str) -> None:
        asked.append(domain)

    async def check() -> None:
        async with milter(people, ensure) as (_, connect):
            peer = await connect()
            await peer.negotiate()
            assert await peer.mail(USER, **LOGIN) == ""
            assert await peer.end([("From", "User <USER@SNORL.AX>")]) == ("", [])

    asyncio.run(check())
    assert asked == ["snorl.ax"]


PACKETS = st.one_of(
    st.binary(max_size=60),
    st.tuples(st.sampled_from([bytes([n]) for n in b"ACDEHKLMNOQRTUBx"]), st.binary(max_size=60)).map(
        lambda pair: struct.pack("!I", len(pair[1]) + 1) + pair[0] + pair[1]
    ),
    st.integers(0, 2**32 - 1).map(lambda length: struct.pack("!I", length)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(PACKETS, max_size=8))
def test_no_bytes_break_it_or_leave_anything_behind(
    people: Directory, negotiate: bool, packets: list[bytes]
) -> None:
    async def check() -> None:
        async with milter(people) as (served, connect):
            peer = await connect()
            if negotiate:
                await peer.negotiate()
            peer.writer.write(b"".join(packets))
            peer.writer.write_eof()
            while True:  # it answers or not, and closes
                data = await peer.reader.read(65536)
                if not data:
                    break
            # and goes on serving others
            other = await connect()
            await other.negotiate()
            assert await other.mail(USER, **LOGIN) == ""
            assert await other.end([("From", USER)]) == ("", [])
            other.send(b"Q")
            assert await other.reader.read() == b""
            while served.sessions:
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(check())


def test_nobody_is_told_that_his_password_is_wrong_while_the_directory_is_away(people: Directory) -> None:
    def away() -> Connection:
        raise PosthouseError("away")

    async def check() -> None:
        lost = Directory(away, people.hostname, people.main_domain, people.names)
        for directory, expected in ((people, ""), (lost, "454")):
            async with milter(directory) as (_, connect):
                peer = await connect()
                await peer.negotiate()
                assert (await peer.helo("ORIGINATING"))[:3] == expected
                assert await peer.helo("LOCAL") == ""

    asyncio.run(check())
