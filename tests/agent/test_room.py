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
