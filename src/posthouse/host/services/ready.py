"""Waiting until sockets answer. `unix:/path` and `tcp:ADDRESS:PORT` are answered by a connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Literal

Standing = Literal["up", "coming", "ended"]

_POLL_SECONDS = 0.05
_ASK_SECONDS = 0.5  # how often the service manager is asked while a socket does not answer
_CONNECT_SECONDS = 2.0


def wait(targets: Sequence[str], timeout: float, standing: Callable[[], tuple[Standing, str]]) -> str | None:
    """Wait until every target takes a connection and the service stands; return None, or what is wrong.

    Args:
        targets: `unix:/path` or `tcp:ADDRESS:PORT`; with none, the service only has to be up.
        timeout: seconds to wait at most.
        standing: asks the service manager: up, coming (it may still), or ended, and a word on it.
    """
    deadline = time.monotonic() + timeout
    ask_at = time.monotonic() + (_ASK_SECONDS if targets else 0.0)
    while True:
        refused = next((f"{t} does not answer ({why})" for t in targets if (why := connect(t))), None)
        if refused is None or time.monotonic() >= ask_at:
            state, word = standing()
            ask_at = time.monotonic() + _ASK_SECONDS
            # A socket that answers is enough where the manager still calls the service young.
            if refused is None and (state == "up" or (state == "coming" and targets)):
                return None
            if state == "ended":
                return f"{word}; {refused}" if refused else word
            refused = refused or word
        if time.monotonic() >= deadline:
            return f"{refused} after {timeout:g} seconds"
        time.sleep(_POLL_SECONDS)


def connect(target: str) -> str | None:
    """Connect once and hang up; return None, or why it failed.

    Raises:
        ValueError: the target is neither `unix:/path` nor `tcp:ADDRESS:PORT`.
    """
    kind, _, where = target.partition(":")
    address: str | tuple[str, int]
    if kind == "unix":
        family, address = socket.AF_UNIX, where
    elif kind == "tcp":
        host, _, port = where.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = (host.strip("[]"), int(port))
    else:
        raise ValueError(f"{target!r} is neither unix:/path nor tcp:ADDRESS:PORT")
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(address)
        except OSError as error:
            return error.strerror or str(error)
    return None
