"""What Postfix's log tells of each message: how often it was noted as delivered, and which its cleanup died with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_ID = r"[0-9A-F]{6,}|[0-9B-Zb-z]{10,}"
_SENT = re.compile(rf"\b({_ID}): to=<.*status=sent")
_CLEANED = re.compile(rf"\bpostfix/cleanup\[(\d+)\]: ({_ID}): message-id=")
_KILLED = re.compile(r"\bpostfix/master\[\d+\]: warning: process \S+/cleanup pid (\d+) killed by signal")


@dataclass
class Noted:
    """By queue id: deliveries, and the messages that cleanup(8) had in hand, or had just done with, when it died."""

    sent: Counter[str] = field(default_factory=Counter)
    cut_off: set[str] = field(default_factory=set)


def noted(lines: Iterable[str]) -> Noted:
    """Read a log, in its order: cleanup(8) serves one message after the other, and a process id is used again."""
    found = Noted()
    in_hand: dict[str, str] = {}
    for line in lines:
        if match := _SENT.search(line):
            found.sent[match[1]] += 1
        elif match := _CLEANED.search(line):
            in_hand[match[1]] = match[2]
        elif (match := _KILLED.search(line)) and match[1] in in_hand:
            found.cut_off.add(in_hand.pop(match[1]))
    return found
