"""What Dovecot tells of logins, through the pipe, into a real directory; and hashes of before."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse import directory
from posthouse.agent.logins import Logins
from posthouse.agent.upgrade import Upgrader
from posthouse.directory import Place, accounts, app_passwords, old_hashes, passwords

USER = "user@snorl.ax"
PASSWORD = "pikachu, ich wähle dich"


@pytest.fixture(params=["database", "server"])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def stored(place: Place) -> str:
    query = "SELECT password FROM users WHERE userid = ?"
    return directory.reading(lambda c: c.execute(query, (USER,)).fetchone()[0], place)  # type: ignore[no-any-return]


def crypted(setting: str, password: str = PASSWORD) -> str:
    """A hash by the C library: what `mkpasswd` would give."""
    found = old_hashes._crypt(password.encode(), setting.encode())
    assert found is not None
    return found.decode()


def hear(place: Place, tmp_path: Path, told: Callable[[Callable[[str], None]], Awaitable[None]]) -> None:
    """Run the listener, and `told` with a function that says a line as Dovecot's script does."""

    async def run() -> None:
        logins = Logins(place, tmp_path / "told", Upgrader())
        await logins.start()

        def tell(line: str) -> None:
            with (tmp_path / "told").open("r+b", buffering=0) as pipe:
                pipe.write(line.encode())

        try:
            await told(tell)
        finally:
            await logins.stop()

    asyncio.run(run())


async def awaited(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def old(password: str = PASSWORD, user: str = USER) -> str:
    return f"old\t{user}\t{password.encode().hex()}\n"


@pytest.mark.parametrize(
    "made",
    [
        "{CRYPT}" + crypted("$2b$05$abcdefghijklmnopqrstuu"),
        "{SHA512-CRYPT}" + crypted("$6$saltsalt$"),
        "{MD5-CRYPT}" + crypted("$1$saltsalt$"),
        crypted("$5$saltsalt$"),
        "{CRAM-MD5}" + old_hashes.cram_md5(PASSWORD).removeprefix("{CRAM-MD5}"),
    ],
)
def test_a_hash_of_before_is_made_anew(place: Place, tmp_path: Path, made: str) -> None:
    directory.writing(lambda c: accounts.set_password(c, USER, made), place)

    async def told(tell: Callable[[str], None]) -> None:
        tell(old("wrong"))  # nobody is believed
        tell(old(user="user2@snorl.ax"))
        tell(old(user="x' OR ''='"))
        tell("used\tuser@snorl.ax\tzz\t::1\nold\n\t\t\n\xff\n")
        tell(old())
        await awaited(lambda: stored(place) != made)

    hear(place, tmp_path, told)
    assert passwords.verify(stored(place), PASSWORD)


def test_des_is_made_anew_when_the_same_came_twice(place: Place, tmp_path: Path) -> None:
    made = "{CRYPT}" + crypted("ab")
    assert old_hashes.verify(made, PASSWORD[:8])
    assert old_hashes.is_cut(made)
    upgrader = Upgrader()
    directory.writing(lambda c: accounts.set_password(c, USER, made), place)

    def renewed(password: str) -> bool:
        done = directory.writing(lambda c: upgrader.renew(c, USER, password), place)
        return done is not None

    assert not renewed(PASSWORD)
    assert not renewed(PASSWORD + " oder so")  # the same to DES
    assert not renewed(PASSWORD)
    assert stored(place) == made
    assert renewed(PASSWORD)
    assert passwords.verify(stored(place), PASSWORD)
    assert not passwords.verify(stored(place), PASSWORD[:8])


def test_a_current_hash_and_a_strange_password_stay(place: Place) -> None:
    upgrader = Upgrader()
    for made, given_ in (
        (passwords.hash(PASSWORD), PASSWORD),
        ("{CRYPT}" + crypted("$6$salt$", "a\tb"), "a\tb"),  # cannot be set today
        ("{SSHA256}abc", PASSWORD),
        ("{CRYPT}*", PASSWORD),
    ):
        directory.writing(lambda c, made=made: accounts.set_password(c, USER, made), place)
        assert directory.writing(lambda c, p=given_: upgrader.renew(c, USER, p), place) is None
        assert stored(place) == made


def test_use_is_noted(place: Place, tmp_path: Path) -> None:
    directory.writing(lambda c: app_passwords.add(c, USER, "Kims phone"), place)
    line = f"used\t{USER}\t{b'Kims phone'.hex()}\t198.18.0.9\n"

    async def told(tell: Callable[[str], None]) -> None:
        for _ in range(500):  # more than the pipe holds at a time
            tell(line)
            await asyncio.sleep(0)

    hear(place, tmp_path, told)
    (found,) = directory.reading(lambda c: app_passwords.list(c, USER), place)
    assert found.last_address == "198.18.0.9"
    assert found.last_used is not None


def test_nobody_waits_for_an_agent_that_is_away(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "told")
    for _ in range(3000):  # as the script does it: open, write, close
        with (tmp_path / "told").open("r+b", buffering=0) as pipe:
            pipe.write(old().encode())


@given(st.text())
@settings(deadline=None, max_examples=50)
def test_cram_md5_of_any_password(password: str) -> None:
    try:
        password.encode()
    except UnicodeEncodeError:
        return
    made = old_hashes.cram_md5(password)
    assert len(made) == len("{CRAM-MD5}") + 64
    assert old_hashes.verify(made, password) == ("\0" not in password)
