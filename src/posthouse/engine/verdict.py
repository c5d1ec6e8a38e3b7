"""Inputs that were applied and taken back: they stay as the operator wrote them, marked as not applied."""

from __future__ import annotations

from posthouse.engine.core import Engine
from posthouse.engine.generations import Inputs
from posthouse.engine.store import now


def reject(engine: Engine, inputs: Inputs, reason: str) -> None:
    """Remember that these inputs were taken back, and why. A full disk is no reason to fail here.

    Of a reason that quotes a log its first line is kept: the rest was shown, and is in the log.
    """
    reason = reason.partition("\n")[0].partition("; its log ends with")[0]
    try:
        engine.store.write("rejected.json", {"digest": inputs.digest, "reason": reason, "when": now()})
    except OSError as error:
        engine.note(f"could not remember why it was taken back: {error.strerror}")


def standing(engine: Engine, inputs: Inputs) -> list[str]:
    """Say that exactly these inputs were taken back, and why; nothing where they were not."""
    data = engine.store.read("rejected.json")
    if data is None or data["digest"] != inputs.digest:
        return []
    return [f"Not applied at {data['when']}: {data['reason']}"]


def forget(engine: Engine, inputs: Inputs) -> None:
    """Forget it where it was said of these inputs: they were applied since."""
    if standing(engine, inputs):
        engine.store.remove("rejected.json")
