"""How far the keys of a domain are: what waits, until when, and what the operator is to do; from the files alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from posthouse.dkim import keys
from posthouse.dkim.rotation import Rotation

State = Literal["warning", "pending"]
Line = tuple[State, str, str]  # state, what is seen, what to do


def look(domain: str, rotation: Rotation, now: float, *, by_update: bool) -> Iterator[Line]:
    """Yield what is to say of a rotation that is under way. PosthouseError where a key cannot be read.

    Args:
        domain: whose keys they are.
        rotation: how far it is.
        now: Unix time.
        by_update: whether records are published and removed by dynamic update, once a day.
    """
    again = f"posthouse dkim rotate {domain}"
    if rotation.next is not None:
        key = keys.one(domain, rotation.next)
        since = f" since {_day(key.path.stat().st_mtime)}" if key is not None else ""
        if rotation.ready is None:
            waits = f"{domain}: the new key {rotation.next} waits{since} for its record; the old one signs"
            yield ("pending" if by_update else "warning"), waits, again
        elif now < rotation.ready:
            yield (
                "pending",
                f"{domain}: the new key {rotation.next} signs from {_time(rotation.ready)} on",
                again,
            )
        else:
            yield "pending", f"{domain}: the new key {rotation.next} signs from the next daily run on", again
    for old in rotation.retired:
        if now < old.until:
            yield (
                "pending",
                f"{domain}: the record of the old key {old.selector} stays until {_day(old.until)}",
                "",
            )
        else:
            gone = f"{domain}: nobody needs the record of the old key {old.selector} since {_day(old.until)}"
            yield ("pending" if by_update else "warning"), gone, again


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")


def _time(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")
