"""The engine's own folder: where things are in it, and the one file that says how the machine stands.

state.json       current generation, what was last put at each path (replaced by rename: the commit)
generations/N/   one folder a generation (`generations.py`); 0/ is the machine as found (`found.py`)
journal          the write-ahead log of an apply under way (`journal.py`)
stage/           the file set as the daemons' checkers read it (`stage.py`)
kept/TIME/...    hand edits that a rollback or a discard replaced
rejected.json    the inputs that were applied and taken back, and why
confirm.json     an apply that waits for its confirmation
lock             held by whoever changes the machine
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from posthouse.errors import PosthouseError

Proof = Literal["yes", "no", "skipped"]


@dataclass(frozen=True)
class Put:
    """What the engine last put at a path: whatever differs from it was changed by somebody else."""

    sha256: str
    owner: str
    group: str
    mode: int


@dataclass(frozen=True)
class State:
    """How the machine stands.

    `proof`: whether mail was seen to flow with the current generation ("skipped": nobody looked).
    `resolved`: hand edits (path -> sha256) that the operator gave free to be overwritten.
    """

    current: int = 0
    proof: Proof = "skipped"
    doubt: str = ""
    put: dict[str, Put] = field(default_factory=dict)
    resolved: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @staticmethod
    def of_json(data: dict[str, Any]) -> State:
        """Return the state that `as_json` wrote."""
        put = {path: Put(**value) for path, value in data["put"].items()}
        return State(data["current"], data["proof"], data["doubt"], put, data["resolved"])


@dataclass(frozen=True)
class Store:
    """The folder itself: root's alone, since generations hold the secrets of the files they keep."""

    folder: Path

    def path(self, *parts: str | int) -> Path:
        """Return a path inside."""
        return self.folder.joinpath(*(str(part) for part in parts))

    def open(self) -> None:
        """Make the folder, mode 0700, also where the lock was there first. OSError where that cannot be."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def state(self) -> State:
        """Return how the machine stands; fresh where nothing was applied. PosthouseError if unreadable."""
        data = self.read("state.json")
        return State() if data is None else State.of_json(data)

    def write_state(self, state: State) -> None:
        """Replace the state in one step."""
        self.write("state.json", state.as_json())

    def read(self, *parts: str | int) -> Any:
        """Return a JSON file's value, or None where there is no such file."""
        path = self.path(*parts)
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise PosthouseError(
                f"{path} should hold JSON written by posthouse, and cannot be read: {error}.",
                "Look at the disk; the generations beside it are whole.",
            ) from error

    def write(self, name: str | Path, value: Any) -> None:
        """Replace a JSON file by rename, synced. OSError on a full disk, with the old file in place."""
        write_synced(self.folder / name, json.dumps(value, ensure_ascii=False).encode())

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        self.path(name).unlink(missing_ok=True)
        sync_folder(self.folder)


def write_synced(path: Path, data: bytes) -> None:
    """Replace a file of the engine's own, mode 0600, in one step. OSError: the old one is still there."""
    new = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed or removed in a folder last through a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256(data: bytes) -> str:
    """Return the hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def now() -> str:
    """Return the time as ISO 8601, UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
