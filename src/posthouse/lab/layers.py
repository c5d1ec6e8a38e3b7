"""Snapshots, and the read-only layers that machines stand on.

A snapshot is taken in no time: the writable layer of a machine that is off becomes a read-only one, and
the machine goes on with a new, empty layer above it. Snapshots are kept in `CACHE/snapshots/SUITE/NAME`
until they are replaced or collected, with the list of the layers below them.
"""

import json
import shutil
import time
from pathlib import Path

from posthouse.lab import base
from posthouse.lab.errors import LabError
from posthouse.lab.lock import locked
from posthouse.lab.paths import CACHE

SNAPSHOTS = CACHE / "snapshots"
_LOCK = SNAPSHOTS / "lock"


def lower_layers(suite: str, name: str) -> list[Path]:
    """The read-only layers, topmost first, of "bare" or of a snapshot.

    Raises:
        LabError: there is no such snapshot, or what it stands on is gone.
    """
    if name == "bare":
        return [base.tree(suite)]
    try:
        layers = [Path(p) for p in json.loads((SNAPSHOTS / suite / name / "layers.json").read_text())]
    except FileNotFoundError as error:
        raise LabError(f"there is no snapshot {name!r} of {suite}") from error
    if missing := [str(layer) for layer in layers if not layer.is_dir()]:
        raise LabError(f"snapshot {name!r} of {suite} lost its layers {', '.join(missing)}", "take it anew")
    return layers


def exists(suite: str, name: str, max_age: float = base.MAX_AGE) -> bool:
    """Whether there is a usable snapshot that is at most `max_age` seconds old."""
    marker = SNAPSHOTS / suite / name / "layers.json"
    if not marker.exists() or time.time() - marker.stat().st_mtime > max_age:
        return False
    return all(Path(layer).is_dir() for layer in json.loads(marker.read_text()))


def take(suite: str, name: str, upper: Path, below: list[Path]) -> list[Path]:
    """Turn the writable layer `upper` into a snapshot; returns the machine's new read-only layers."""
    home = SNAPSHOTS / suite
    layer = home / f".{name}-{time.time_ns()}"
    layers = [layer, *below]
    with locked(_LOCK):
        entry = home / name
        entry.mkdir(parents=True, exist_ok=True)
        upper.rename(layer)
        upper.mkdir()
        partial = entry / ".layers.json"
        partial.write_text(json.dumps([str(part) for part in layers]))
        partial.rename(entry / "layers.json")
    return layers


def forget(suite: str, name: str) -> None:
    """Remove the name of a snapshot; its layers go when nothing stands on them (`collect`)."""
    shutil.rmtree(SNAPSHOTS / suite / name, ignore_errors=True)


def collect(in_use: set[Path]) -> list[Path]:
    """Remove layers and base trees on which neither a snapshot nor a machine (`in_use`) stands."""
    with locked(_LOCK):
        needed = set(in_use)
        for marker in SNAPSHOTS.glob("*/*/layers.json"):
            if exists(marker.parent.parent.name, marker.parent.name):
                needed |= {Path(layer) for layer in json.loads(marker.read_text())}
            else:
                shutil.rmtree(marker.parent, ignore_errors=True)
        fresh = time.time() - base.MAX_AGE
        old = [path for path in base.BASES.glob("[!.]*-*-*") if int(path.name.rpartition("-")[2]) < fresh]
        gone = [path for path in [*SNAPSHOTS.glob("*/.*-*"), *old] if path not in needed]
        for path in gone:
            shutil.rmtree(path, ignore_errors=True)
        return gone
