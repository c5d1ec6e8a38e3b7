"""Awaiting a condition, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

from posthouse.lab.errors import LabError

T = TypeVar("T")


def until(predicate: Callable[[], T], timeout: float, what: str, pause: float = 0.05) -> T:
    """Call `predicate` until it returns something true, and return that.

    The pause between two calls grows from `pause` to half a second, so that long waits cost nothing.

    Raises:
        LabError: `timeout` seconds went by; `what` says what was waited for.
    """
    end = time.monotonic() + timeout
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= end:
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
