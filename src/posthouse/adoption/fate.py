"""What becomes of one setting of the old server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Becomes = Literal["a field", "built in", "an override", "kept", "dropped"]
ORDER: tuple[Becomes, ...] = ("a field", "an override", "kept", "dropped", "built in")


@dataclass(frozen=True)
class Fate:
    """`where` and `name` say which setting ("main.cf", "biff"), `why` what stands in its place, or why nothing."""

    where: str
    name: str
    becomes: Becomes
    why: str
