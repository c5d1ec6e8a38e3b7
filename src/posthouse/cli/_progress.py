"""How far something has come, on stderr: a bar on a terminal, else a line now and then.

`rich` is loaded only where there is a terminal to draw on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from posthouse.cli import _output

Advance = Callable[[int], None]
_EVERY = 5.0  # seconds between lines


@contextmanager
def progress(what: str, total: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Advance]:
    """Give a function that takes how many more are done, of `total`."""
    if total == 0:
        yield _nothing
    elif sys.stderr.isatty():
        yield from _bar(what, total)
    else:
        yield from _lines(what, total, clock)


def _nothing(_: int) -> None:
    pass


def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(_output.plain(what), total=total)
        yield lambda count: bar.advance(task, count)


def _lines(what: str, total: int, clock: Callable[[], float]) -> Iterator[Advance]:
    done, told, begin = 0, clock(), clock()

    def advance(count: int) -> None:
        nonlocal done, told
        done += count
        if clock() - told >= _EVERY:
            told = clock()
            left = (told - begin) / max(done, 1) * (total - done)
            _output.note(f"{what}: {done:,} of {total:,}, about {left:.0f} s left")

    yield advance
    _output.note(f"{what}: {done:,} of {total:,} in {clock() - begin:.1f} s")
