"""The last milter of submitted mail: holds what the filter takes for spam.

The filter before us says in a header of ours how many points a message has, and for what; here the header is taken away
again, so nothing of it leaves, and a message with too many points is held in the queue. Nobody is refused for points.
A message that the filter said nothing of must wait. Its author may write such headers too: the most points count.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from posthouse.agent import wire

HEADER = "X-Posthouse-Outgoing"  # "POINTS RULE RULE..."
MACROS = {wire.AT_MAIL: "{auth_authen}", wire.AT_END: "i"}
TRY_LATER = "451 4.7.1 This message cannot be judged now, try again later"

log = logging.getLogger("posthouse.agent")


@dataclass(frozen=True)
class Service:
    """`points` from which a message is held; `spam` notes one of (login, queue id, why)."""

    points: float
    spam: Callable[[str, str, str], None]


class Session:
    """One connection of Postfix."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.login = self.queue_id = ""
        self.found: list[str] = []

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""
        if command == wire.OPTIONS:
            needed = wire.CHANGE_HEADERS | wire.SET_MACROS | wire.QUARANTINE
            return wire.options(data, MACROS, wire.STEPS, needed)
        if command == wire.MACRO:
            stage, values = wire.macros(data)
            if stage == wire.MAIL:
                self.login = values.get("auth_authen", "").lower()
            elif stage == wire.END:
                self.queue_id = values.get("i", "")
            return b""
        if command in (wire.ABORT, wire.QUIT_BUT_STAY):
            self.found = []
            return b""
        if command in (wire.HELO, wire.MAIL):
            self.found = []
            return wire.go_on()
        if command == wire.HEADER:
            name, value = wire.header(data)
            if name.strip().lower() == HEADER.lower().encode():
                self.found.append(value.decode("utf-8", "replace"))
            return b""
        if command == wire.END:
            found, self.found = self.found, []
            return self._judged(found)
        raise wire.ProtocolError(f"command {command!r} was not asked for")

    async def close(self) -> None:
        """Nothing to give back."""

    def _judged(self, found: list[str]) -> bytes:
        points, rules = max((_read(one) for one in found), default=(math.nan, ""))
        if math.isnan(points):
            log.error("%s: the filter said nothing of a submitted message", self.queue_id)
            return wire.reply(TRY_LATER)
        # the last first: where one is taken away, the others are counted anew
        edits = b"".join(wire.delete_header(HEADER, number) for number in range(len(found), 0, -1))
        if points < self.service.points:
            return edits + wire.go_on()
        why = f"{points:g} points of the filter, held from {self.service.points:g}: {rules}"
        log.warning("%s: held as spam of %s: %s", self.queue_id, self.login, why)
        self.service.spam(self.login, self.queue_id, why)
        return edits + wire.hold(f"spam: {why}") + wire.go_on()


def _read(text: str) -> tuple[float, str]:
    """Points and rules; what is no number is the author's own, and counts nothing."""
    number, _, rules = " ".join(text.split()).partition(" ")
    try:
        points = float(number)
    except ValueError:
        points = -math.inf
    if math.isnan(points):
        points = -math.inf
    return points, "".join(c if c.isprintable() else "?" for c in rules)[:500]
