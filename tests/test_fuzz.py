"""The targets of script/fuzz take what they are fed, and it tells where one does not."""

from __future__ import annotations

import pytest
from fuzz.__main__ import TARGETS
from fuzz.run import Target, run


@pytest.mark.parametrize("name", TARGETS)
def test_a_target(name: str) -> None:
    report = run(TARGETS[name], 600, most=300, guided=False)
    assert report.inputs == 300
    assert report.lines > 30
    assert not report.failures, report


def test_what_fails_is_told() -> None:
    def feed(data: bytes) -> None:
        assert b"\xff" not in data, "no such byte"

    report = run(Target("bytes", feed, (b"abc",), (b"\xff",)), 600, most=200)
    assert {said.partition(" byte")[0] for _, said in report.failures} == {"AssertionError: no such"}
    assert all(b"\xff" in data for data, _ in report.failures)
