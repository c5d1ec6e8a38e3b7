"""What a check answers, and how checks are run: quickly, together, and without an exception getting out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "failure", "unknown"]


@dataclass(frozen=True)
class Check:
    """The answer of one check.

    `name`: what was looked at, in a few words. `evidence`: what was found. `mend`: exactly what to do,
    empty where there is nothing to do. `fatal`: with this failure there can be no mail at all.
    """

    name: str
    state: State
    evidence: str
    mend: str = ""
    fatal: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def ok(name: str, evidence: str) -> Check:
    """Return a check that found everything right."""
    return Check(name, "ok", evidence)


def warning(name: str, evidence: str, mend: str) -> Check:
    """Return a check that found something to live with."""
    return Check(name, "warning", evidence, mend)


def failure(name: str, evidence: str, mend: str, *, fatal: bool = False) -> Check:
    """Return a check that found something wrong."""
    return Check(name, "failure", evidence, mend, fatal)


def unknown(name: str, evidence: str, mend: str = "") -> Check:
    """Return a check that could not find out."""
    return Check(name, "unknown", evidence, mend)


Question = Callable[[], Iterable[Check]]


def ask(questions: Sequence[tuple[str, Question]]) -> list[Check]:
    """Ask all questions at the same time and return their answers in order.

    A question that raises has the answer `unknown`, with what it raised as the evidence.
    """
    with ThreadPoolExecutor(max_workers=len(questions) or 1) as pool:
        answers = list(pool.map(lambda question: _answer(*question), questions))
    return [check for answer in answers for check in answer]


def _answer(name: str, question: Question) -> list[Check]:
    try:
        return list(question())
    except Exception as error:
        return [unknown(name, f"could not be checked: {type(error).__name__}: {error}")]
