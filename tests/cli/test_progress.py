"""How far something has come is told: a bar on a terminal, a line now and then elsewhere, nothing of nothing."""

from __future__ import annotations

import pytest
from tests.cli.test_output import on_a_terminal

from posthouse.cli._progress import progress

BAR = """
from posthouse.cli._progress import progress
with progress("Bringing", 3000) as advance:
    for _ in range(3):
        advance(1000)
"""


def test_a_line_every_five_seconds_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    with progress("Hashing passwords", 10_000, lambda: now) as advance:
        for seconds in (1.0, 3.0, 2.0, 4.0):
            now += seconds
            advance(2500)
    assert capsys.readouterr().err.splitlines() == [
        "Hashing passwords: 7,500 of 10,000, about 2 s left",
        "Hashing passwords: 10,000 of 10,000 in 10.0 s",
    ]


def test_nothing_to_do_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Hashing passwords", 0) as advance:
        advance(0)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal() -> None:
    status, seen = on_a_terminal(BAR, [])
    assert status == 0
    assert "Bringing" in seen
    assert "3000/3000" in seen


def fails() -> None:
    with progress("Bringing", 3, lambda: 0.0) as advance:
        advance(1)
        raise ValueError("x")


def test_what_fails_says_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"):
        fails()
    assert "of 3" not in capsys.readouterr().err
