"""What was tried, in a small file: authorities allow few failures, so no name is tried more than five times a day.

Let's Encrypt: 5 failures an hour and name, 5 equal certificates a week (https://letsencrypt.org/docs/rate-limits/).
A try counts from before it begins, so one that was killed counts as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from posthouse.host import files

A_DAY = 5
_DAY = 86_400.0


@dataclass(frozen=True)
class Last:
    """The last run that ordered, or had a reason not to: `when` (seconds since the epoch), and what was wrong.

    `said`: by name, "" for what is about all names.
    """

    when: float
    ok: bool
    said: dict[str, str] = field(default_factory=dict)


class Tries:
    """The file. A damaged one is an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> Last | None:
        """Return the last run; None: there was none."""
        found = self._read().get("last")
        try:
            said = {str(name): str(why) for name, why in found["said"].items()}  # type: ignore[index]
            return Last(float(found["when"]), bool(found["ok"]), said)  # type: ignore[index]
        except (TypeError, KeyError, ValueError, AttributeError):
            return None

    def waits(self, name: str, now: float) -> float:
        """Return until when a name must wait (seconds since the epoch); 0: it need not."""
        recent = self._recent(self._read(), name, now)
        return recent[-A_DAY] + _DAY if len(recent) >= A_DAY else 0.0

    def begin(self, names: Iterable[str], now: float) -> None:
        """Note that these names are tried now. OSError."""
        data = self._read()
        data["tries"] = {name: self._recent(data, name, now) for name in self._names(data)}
        for name in names:
            data["tries"][name] = [*data["tries"].get(name, []), now]
        self._write(data)

    def end(self, last: Last) -> None:
        """Note how a run ended. OSError."""
        self._write({**self._read(), "last": asdict(last)})

    def _names(self, data: dict[str, Any]) -> list[str]:
        tries = data.get("tries")
        return list(tries)[:200] if isinstance(tries, dict) else []

    def _recent(self, data: dict[str, Any], name: str, now: float) -> list[float]:
        tries = data.get("tries")
        found = tries.get(name) if isinstance(tries, dict) else None
        times = [one for one in found if isinstance(one, int | float)] if isinstance(found, list) else []
        # What lies in the future was noted before the clock was set back: it would count for ever.
        return sorted(one for one in times if now - _DAY < one <= now)

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def _write(self, data: dict[str, Any]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(self._path, json.dumps(data, indent=1).encode(), mode=0o600)
