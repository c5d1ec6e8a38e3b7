"""Postfix's queue: how much waits in it, and why (postqueue(1), -j)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from posthouse.host.run import run

_UNSAFE = ("TLS is required", "ertificate not ", "certificate verification failed", "Cannot start TLS")


@dataclass(frozen=True)
class Waiting:
    """What is in the queue: messages by queue name (active, deferred, ...), and the commonest reasons,
    those first that TLS is not as it should be."""

    messages: int
    by_queue: dict[str, int]
    oldest: float | None
    reasons: tuple[tuple[str, int], ...]


def waiting() -> Waiting:
    """Count the queue; `oldest` is an arrival time in POSIX seconds.

    Raises:
        PosthouseError: Postfix's queue cannot be listed (it says so when it is down).
    """
    return parse(run(["postqueue", "-j"], timeout=30).stdout)


def is_unsafe(reason: str) -> bool:
    """Tell whether mail waits because the other side is not who it should be, or offers no TLS (smtp(8)'s words)."""
    return any(words in reason for words in _UNSAFE)


def parse(text: str) -> Waiting:
    """Read `postqueue -j`: one JSON object a line, one line a message."""
    queues: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    oldest: float | None = None
    for line in text.splitlines():
        if not line.strip():
            continue
        message = json.loads(line)
        queues[message["queue_name"]] += 1
        arrived = float(message["arrival_time"])
        oldest = arrived if oldest is None else min(oldest, arrived)
        said = {recipient.get("delay_reason", "") for recipient in message["recipients"]}
        reasons.update(reason for reason in said if reason)
    first = sorted(reasons.most_common(), key=lambda found: not is_unsafe(found[0]))
    return Waiting(sum(queues.values()), dict(queues), oldest, tuple(first[:3]))
