"""SIGINT and SIGTERM while the machine is being changed: the first one undoes, the others wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from posthouse.engine.core import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _pass(_: int, __: FrameType | None) -> None:
    """Do nothing. Not SIG_IGN and no mask: those would be handed down to every daemon started meanwhile."""


@contextmanager
def as_errors() -> Iterator[None]:
    """Raise Interrupted at the first signal; those after it are passed over until the block ends."""

    def once(number: int, _: FrameType | None) -> None:
        for name in _SIGNALS:
            signal.signal(name, _pass)
        raise Interrupted(f"stopped by {signal.Signals(number).name}", number)

    with _handled_by(once):
        yield


@contextmanager
def held() -> Iterator[None]:
    """Let no signal in: the block is short, or is itself the undoing."""
    with _handled_by(_pass):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.getsignal(name) for name in _SIGNALS}
    try:
        for name, old in before.items():
            # A command started with nohup goes on without its terminal.
            if old is not signal.SIG_IGN:
                signal.signal(name, handler)
        yield
    finally:
        for name, old in before.items():
            signal.signal(name, old)
