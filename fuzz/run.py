"""One target fed for a while: inputs that reach lines which none before reached are kept, and changed further."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import posthouse
from fuzz.mutate import mutated

_OURS = str(Path(posthouse.__file__).parent)
_MOST = 4_000  # inputs kept
_SLOW = 5.0  # CPU seconds of one input


@dataclass(frozen=True)
class Target:
    """What is fed: `feed` raises where anything is not as it must be; `seeds` are honest, `words` of their language."""

    name: str
    feed: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]


@dataclass
class Report:
    """What came of it; `failures` are inputs with what they raised."""

    name: str
    seconds: float = 0.0
    cpu: float = 0.0
    inputs: int = 0
    kept: int = 0
    lines: int = 0
    slowest: float = 0.0
    failures: list[tuple[bytes, str]] = field(default_factory=list)

    def __str__(self) -> str:
        failed = f"{len(self.failures)} FAILED" if self.failures else "none failed"
        return (
            f"{self.name}: {self.seconds:.0f} s ({self.cpu:.0f} s of CPU), {self.inputs} inputs, {self.kept} kept,"
            f" {self.lines} pairs of lines reached, slowest {self.slowest * 1000:.0f} ms, {failed}"
        )


class _Reached:
    """The pairs of lines, one after the other, that ran in our own files."""

    def __init__(self) -> None:
        self.all: set[tuple[str, int, int]] = set()
        self.now: set[tuple[str, int, int]] = set()

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS):
            return None
        last = frame.f_lineno

        def line(frame: FrameType, event: str, _: object) -> Any:
            nonlocal last
            if event == "line":
                self.now.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    def news(self) -> bool:
        fresh = self.now - self.all
        self.all |= fresh
        self.now.clear()
        return bool(fresh)


def run(
    target: Target, seconds: float, most: int | None = None, seed: int = 1, guided: bool = True
) -> Report:
    """Feed a target for so many seconds, or `most` inputs; the same `seed`, the same inputs.

    Not `guided`, only the seeds are changed: then it does not matter what ran before.
    """
    source, reached, report = random.Random(seed), _Reached(), Report(target.name)
    kept = list(target.seeds)
    begun, cpu = time.monotonic(), time.process_time()
    seen: set[str] = set()
    while report.seconds < seconds and (most is None or report.inputs < most):
        first = report.inputs < len(target.seeds)
        data = kept[report.inputs] if first else mutated(source, source.choice(kept), kept, target.words)
        before = time.process_time()
        sys.settrace(reached.trace)
        try:
            target.feed(data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            sys.settrace(None)
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            said = f"{type(error).__name__}: {error} (line {where.tb_lineno if where else 0})"
            if said not in seen and len(seen) < 50:
                seen.add(said)
                report.failures.append((data, said))
        finally:
            sys.settrace(None)
        took = time.process_time() - before
        report.slowest = max(report.slowest, took)
        if took > _SLOW and len(report.failures) < 50:
            report.failures.append((data, f"it took {took:.1f} s"))
        if reached.news() and guided and not first and len(kept) < _MOST:
            kept.append(data)
        report.inputs += 1
        report.seconds = time.monotonic() - begun
        report.cpu = time.process_time() - cpu
    report.kept, report.lines = len(kept), len(reached.all)
    return report
