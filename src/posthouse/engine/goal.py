"""One path and what it shall hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posthouse.engine.store import Put, sha256


@dataclass(frozen=True)
class Goal:
    """A path and what it shall hold; `content` None: nothing. `link`: a symbolic link to that target.

    `edited`: a hand edit is there and is overwritten; a copy of it must be kept. `attributes`: extended ones.
    """

    path: Path
    content: bytes | None
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    link: str | None = None
    edited: bool = False
    origin: str = ""
    attributes: tuple[tuple[str, bytes], ...] = ()

    @property
    def put(self) -> Put | None:
        """Return what to remember of it."""
        if self.content is None:
            return None
        return Put(sha256(self.content), self.owner, self.group, self.mode)
