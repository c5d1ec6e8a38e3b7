"""What of DNS Posthouse wrote itself: it changes and removes nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from posthouse import paths
from posthouse.errors import PosthouseError

_STATE = paths.STATE / "dns-written.json"


class Written(NamedTuple):
    """One record: its absolute name in lower case, its type, and its value as `Record` has it."""

    name: str
    type: str
    value: str


def read(path: Path = _STATE) -> frozenset[Written]:
    """Return what was written so far. PosthouseError where the note of it cannot be read."""
    try:
        return frozenset(Written(*map(str, one)) for one in json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise PosthouseError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise PosthouseError(
            f"{path}: expected what posthouse wrote there, found something else ({error})",
            "restore it from a backup; or remove it: records that are in DNS now then count as the operator's",
        ) from error


def note(found: frozenset[Written], path: Path = _STATE) -> None:
    """Note it, durably. PosthouseError where it cannot be written."""
    from posthouse.host.files import write_atomic

    write_atomic(path, (json.dumps(sorted(found), indent=1) + "\n").encode(), mode=0o600)
