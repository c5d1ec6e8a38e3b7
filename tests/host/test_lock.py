from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from posthouse.host.lock import Busy, exclusive


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "folder/lock"
    with exclusive(path), pytest.raises(Busy, match=f"process {os.getpid()} holds"), exclusive(path):
        pass
    with exclusive(path):
        pass


def test_the_waiting_one_is_told_once_and_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    notes: list[str] = []
    told = threading.Event()
    entered: list[bool] = []

    def note(text: str) -> None:
        notes.append(text)
        told.set()

    def second() -> None:
        with exclusive(path, 60, note):
            entered.append(True)

    with exclusive(path):
        other = threading.Thread(target=second)
        other.start()
        assert told.wait(60)
        assert entered == []
    other.join(60)
    assert entered == [True]
    assert len(notes) == 1
