"""What SpamAssassin is told of submitted mail, and what is made of its answer; spamd is as in test_verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gate.test_verdict import HAM, SPAM, judged

from posthouse.gate.outgoing import Session

SUBMITTED = (
    ("Received", "from dialup-1-2-3-4.example (1.2.3.4) by mail.snorl.ax; Sun, 22 Nov 2026 19:01:01 +0000"),
    ("X-Posthouse-Outgoing", "-5"),
    ("X-Posthouse-Finding", "quarantine"),
    ("From", "user@snorl.ax"),
)


def test_points_go_on_in_a_header_and_nothing_else_is_added(tmp_path: Path) -> None:
    for says, points in ((HAM, "0.10 NONE"), (SPAM, "9.50 NONE")):
        told = judged(tmp_path, says, headers=SUBMITTED, session=Session, refuse=1.0)
        assert (told.reply, told.headers) == ("", {"X-Posthouse-Outgoing": points})


def test_nothing_is_told_of_the_client(tmp_path: Path) -> None:
    given = judged(tmp_path, HAM, headers=SUBMITTED, session=Session).given
    assert b"Received" not in given
    assert b"X-Posthouse-Finding: nothing\n" in given
    assert given.count(b"X-Posthouse-") == 1
    assert given.endswith(b"From: user@snorl.ax\nX-Posthouse-Finding: nothing\n\nhello\r\n")


@pytest.mark.parametrize("says", [None, b"", b"nonsense"])
def test_no_verdict_is_try_again_later(tmp_path: Path, says: bytes | None) -> None:
    assert judged(tmp_path, says, headers=SUBMITTED, session=Session).reply.startswith("451 ")


def test_what_is_beyond_the_bounds_is_refused(tmp_path: Path) -> None:
    many = (*SUBMITTED, *((f"X-{n}", "y") for n in range(1001)))
    assert judged(tmp_path, HAM, headers=many, session=Session).reply.startswith("554 5.7.1 Not taken")
