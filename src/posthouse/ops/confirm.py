"""`apply --confirm 10m`: an apply that takes itself back unless the operator says that he still gets in.

`confirm.json` says until when and back to what. Somebody waits for that moment: under systemd a unit of its
own, started at boot too; elsewhere a process without a terminal, and after a restart of the container the
first command that finds the time over. A clock that is set meanwhile counts for nothing. The site file stays
as it was written, marked as not applied.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from posthouse import paths
from posthouse.engine import apply as engine_apply
from posthouse.engine import rollback, verdict
from posthouse.engine.core import Engine
from posthouse.errors import UsageError
from posthouse.host import clock, later
from posthouse.host.clock import Now
from posthouse.ops.alone import alone
from posthouse.ops.context import Base

_FILE = "confirm.json"
_JOB = "posthouse-unconfirmed"
_ARGV = (str(paths.COMMAND), "apply", "--take-back")
Clock = Callable[[], Now]
HOME = rollback.Home(paths.SITE_FILE, paths.OVERRIDES)


def pending(engine: Engine) -> dict[str, Any] | None:
    """Return what an apply that waits left: back_to, and its end as deadline (seconds since the epoch) and as up
    (since the boot `boot`), `seconds` after its beginning; None: none waits."""
    data: dict[str, Any] | None = engine.store.read(_FILE)
    return data


def left(data: dict[str, Any], now: Now) -> float:
    """Return how many seconds an apply that waits has left.

    In the boot that it was made in the clock on the wall is not asked: it may have been set. Later it is, but a
    clock that went back gives no more than was asked for.
    """
    if data.get("boot") == now.boot:
        return float(data["up"] - now.up)
    return float(min(data["deadline"] - now.wall, data.get("seconds", math.inf)))


def _ending(back_to: int, seconds: float, now: Now) -> dict[str, Any]:
    ends = {"deadline": now.wall + seconds, "up": now.up + seconds, "boot": now.boot}
    return {"back_to": back_to, "seconds": seconds, **ends}


def pending_note(engine: Engine, clock: Clock = clock.now) -> list[str]:
    """Say that an apply waits for its confirmation."""
    data = pending(engine)
    if data is None:
        return []
    remains = round(left(data, clock()))
    when = f"in {remains} seconds" if remains > 0 else "with the next command"
    return [
        f"Not confirmed yet: generation {data['back_to']} comes back {when}; `posthouse apply --confirmed`"
    ]


def arm(base: Base, seconds: float, clock: Clock = clock.now) -> dict[str, Any] | None:
    """Before the apply: whatever happens in it, it will be taken back. Return what waited before.

    The lock is the caller's.
    """
    already = pending(base.engine)
    back_to = already["back_to"] if already else base.engine.store.state().current
    base.engine.store.write(_FILE, _ending(back_to, seconds, clock()))
    return already


def start(base: Base, seconds: float) -> None:
    """After the apply: the time counts from now, and somebody waits."""
    arm(base, seconds)
    later.start(base.ground, _JOB, _ARGV)


def restore(base: Base, before: dict[str, Any] | None) -> None:
    """The apply did not come about: what waited before still waits."""
    if before is None:
        disarm(base)
    else:
        base.engine.store.write(_FILE, before)


def disarm(base: Base) -> None:
    """Nothing waits any longer."""
    if pending(base.engine) is not None:
        base.engine.store.remove(_FILE)
    later.forget(base.ground, _JOB)


def confirm(base: Base) -> None:
    """Keep what was applied. UsageError where nothing waits. The lock is the caller's."""
    if pending(base.engine) is None:
        raise UsageError("no apply waits to be confirmed", "It was taken back, or was never --confirm.")
    disarm(base)


def take_back_if_due(base: Base, clock: Clock = clock.now) -> bool:
    """Take an apply back whose time is over; True where that was done. The lock is the caller's."""
    data = pending(base.engine)
    if data is None or left(data, clock()) > 0:
        return False
    engine = base.engine
    if engine.store.state().current != data["back_to"]:
        engine.note(f"not confirmed in time: going back to generation {data['back_to']}")
        aim = rollback.target(
            engine,
            data["back_to"],
            base.platform,
            base.render,
            home=HOME,
            present=base.inputs,
            inputs_too=False,
        )
        engine_apply.apply(engine, aim)
        verdict.reject(engine, base.inputs, "it was not confirmed in time")
    disarm(base)
    return True


def keep_waiting(base: Base) -> None:
    """Where no unit does it (a container that was started again), have somebody wait on."""
    if base.ground.manager != "systemd" and pending(base.engine) is not None:
        later.start(base.ground, _JOB, _ARGV)


def wait(engine: Engine, base: Callable[[], Base], clock: Clock = clock.now) -> None:
    """Sleep until the time is over, and take it back; return when nothing waits any longer."""
    while (data := pending(engine)) is not None:
        now = clock()
        remains = left(data, now)
        if remains > 0:
            if data.get("boot") != now.boot:  # from here it counts by this boot
                with alone(engine):
                    engine.store.write(_FILE, _ending(data["back_to"], remains, now))
            time.sleep(min(remains, 5.0))
            continue
        with alone(engine):
            take_back_if_due(base())
