"""One command on the engine at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from posthouse.engine.core import Engine
from posthouse.host.lock import exclusive

WAIT_SECONDS = 1800.0  # for another one: apt takes its time


@contextmanager
def alone(engine: Engine, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the engine's lock. PosthouseError where another command still holds it after `wait` seconds."""
    engine.store.open()
    with exclusive(engine.store.path("lock"), wait, engine.note):
        yield
