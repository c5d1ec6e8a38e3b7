"""What was taken back stays marked; and what of a diff is for eyes."""

from __future__ import annotations

from pathlib import Path

from tests.engine.scratch import Scratch, engine_of

from posthouse.engine import diff, verdict
from posthouse.engine.generations import Inputs
from posthouse.engine.goal import Goal
from posthouse.resources import Blueprint


def test_only_the_same_files_are_marked_and_only_they_clear_the_mark(tmp_path: Path) -> None:
    engine = engine_of(Scratch(tmp_path))
    engine.store.open()
    bad, good = Inputs("bad", {}), Inputs("good", {})
    verdict.reject(engine, bad, "postfix did not start; its log ends with\n    fatal: no\n    more")
    assert verdict.standing(engine, good) == []
    verdict.forget(engine, good)
    (said,) = verdict.standing(engine, bad)
    assert said.startswith("Not applied at ")
    assert said.endswith(": postfix did not start")
    verdict.forget(engine, bad)
    assert verdict.standing(engine, bad) == []


def test_a_diff_of_what_is_no_text_is_not_shown() -> None:
    goal = Goal(Path("/etc/aliases.db"), b"\x00\x01")
    shown = diff.diff_of(goal, None, b"text\n", Blueprint(), Blueprint())
    assert shown == "content differs (not shown: it is no text)"
