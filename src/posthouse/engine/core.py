"""The engine's surroundings, handed from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.engine.machine import Machine, Note
from posthouse.engine.store import Store
from posthouse.errors import PosthouseError


def _silent(_: str) -> None:
    """Say nothing, do nothing."""


@dataclass(frozen=True)
class Engine:
    """The engine's own folder, the machine's hands, and who is told what happens.

    `step` is called with a word at every point where a power cut would leave another picture behind;
    the tests cut there.
    """

    store: Store
    machine: Machine
    note: Note = field(default=_silent)
    step: Callable[[str], None] = field(default=_silent)
    # One that ended is seen at once; one that still comes up on a busy machine (Rspamd, its first time) is waited for.
    ready_seconds: float = 300.0


class NotApplied(PosthouseError):
    """An apply was refused or taken back: the machine is in the generation in which it was."""


class Interrupted(KeyboardInterrupt):
    """A signal came; what was begun has been undone, where something was, and that was said.

    Not a PosthouseError: whoever deals with those (a step of the probe) must not take it for a failure.
    `undone`: something was begun, and is taken back. `number`: the signal's.
    """

    def __init__(self, message: str, number: int, *, undone: bool = False) -> None:
        super().__init__(message)
        self.number = number
        self.undone = undone
