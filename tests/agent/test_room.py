"""Whether the queue can take a message, asked as Postfix asks, on a file system that runs out of inodes."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.agent import room

REQUEST = b"request=smtpd_access_policy\nprotocol_state=RCPT\nsender=\n\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a small file system of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=8", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_no_inode_is_told_in_time_and_so_is_the_end_of_that(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.0)

    async def talk() -> list[str]:
        service = room.Room(folder / "room.sock")
        await service.start()
        reader, writer = await asyncio.open_unix_connection(service.path)

        async def asked() -> str:
            writer.write(REQUEST)
            return (await reader.readuntil(b"\n\n")).decode().strip()

        said = [await asked()]
        made = []
        while os.statvfs(folder).f_favail:
            made.append(folder / str(len(made)))
            made[-1].touch()
        said.append(await asked())
        made[0].unlink()
        said.append(await asked())
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        said.append(await asked())
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        said.append(await asked())
        (folder / ".room").touch()  # left by a look that was cut off
        said += [await asked(), await asked()]
        writer.close()
        await service.stop()
        return said

    said = asyncio.run(talk())
    assert [line[:24] for line in said] == [
        "action=DUNNO",
        "action=452 4.3.1 Insuffi",
        "action=DUNNO",
        "action=451 4.3.0 The mai",
        *["action=DUNNO"] * 3,
    ]
    assert not (folder / ".room").exists()


def asked(sender: str, recipient: str, login: str = "") -> str | None:
    request = (
        f"request=smtpd_access_policy\nsender={sender}\nrecipient={recipient}\nsasl_username={login}\n\n"
    )
    return room.objection(request.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "letter", ["\u0085", "\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\u00ad", "\udcff"]
)
def test_what_is_not_seen_in_an_address_is_refused(letter: str) -> None:
    assert asked(f"j{letter}@elsewhere.example", "kim@snorl.ax") == room.STRANGE
    assert asked("ann@elsewhere.example", f"j{letter}@elsewhere.example", "kim@snorl.ax") == room.STRANGE


@pytest.mark.parametrize(
    "recipient", ["\u212aim@snorl.ax", "stra\u00dfe@snorl.ax", "kim@\u017fnorl.ax", "\ufb01@snorl.ax"]
)
def test_what_tables_would_take_for_an_address_of_ours_is_unknown(recipient: str) -> None:
    assert asked("ann@elsewhere.example", recipient) == room.UNKNOWN
    assert asked("kim@snorl.ax", recipient, "kim@snorl.ax") is None  # it may be one elsewhere


@pytest.mark.parametrize(
    "sender", ["", "j\u00f6rg@b\u00fccher.example", "\u06a9\u200c\u06a9@elsewhere.example"]
)
def test_other_addresses_pass(sender: str) -> None:
    assert asked(sender, "kim@snorl.ax") is None
