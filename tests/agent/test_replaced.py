"""The agent notices that another release was installed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from posthouse.agent import release as running
from posthouse.host import installed


def test_another_release_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "releases/old", tmp_path / "releases/new"
    for release in (old, new):
        release.mkdir(parents=True)
    current = tmp_path / "current"
    current.symlink_to(old)
    monkeypatch.setattr("posthouse.paths.PROGRAM", tmp_path)
    monkeypatch.setattr(installed, "ROOT", old)
    monkeypatch.setattr(running, "LOOK_SECONDS", 0)

    async def check() -> None:
        end = asyncio.Event()
        watching = asyncio.create_task(running.replaced(end))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not end.is_set()
        current.unlink()  # a link is never away for long, but nothing to go on with is there now
        for _ in range(10):
            await asyncio.sleep(0)
        assert not end.is_set()
        current.symlink_to(new)
        await asyncio.wait_for(watching, 10)
        assert end.is_set()

    asyncio.run(check())


def test_a_checkout_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.paths.PROGRAM", tmp_path)
    end = asyncio.Event()
    asyncio.run(running.replaced(end))
    assert not end.is_set()
