"""The queue, message by message, as postqueue(1) gives it."""

from __future__ import annotations

import json

import pytest

from posthouse.errors import UsageError
from posthouse.mailflow import held

ENTRY = {
    "queue_name": "hold",
    "queue_id": "925CB38839E",
    "arrival_time": 1795411492,
    "message_size": 861,
    "forced_expire": False,
    "sender": "User@snorl.ax",
    "recipients": [
        {"address": "a@elsewhere.example", "delay_reason": "connection refused"},
        {"address": "b@elsewhere.example", "delay_reason": "connection refused"},
        {"address": "c@elsewhere.example"},
    ],
}


def test_a_message() -> None:
    (message,) = held.parse(json.dumps(ENTRY) + "\n\n")
    assert message == held.Message(
        "925CB38839E",
        "hold",
        "user@snorl.ax",
        "User@snorl.ax",
        1795411492.0,
        861,
        ("a@elsewhere.example", "b@elsewhere.example", "c@elsewhere.example"),
        ("connection refused",),
    )


@pytest.mark.parametrize("word", ["ALL", "-d", "../x", "A B", "", "x\n"])
@pytest.mark.parametrize("act", [held.release, held.delete])
def test_only_queue_ids_reach_postsuper(act: object, word: str) -> None:
    with pytest.raises(UsageError):
        act([word])  # type: ignore[operator]


def test_nothing_is_nothing() -> None:
    assert held.release([]) == held.delete([]) == 0
