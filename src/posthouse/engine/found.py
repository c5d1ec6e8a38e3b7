"""Generation 0: the machine as it was found, of which nothing is ever lost.

A path is recorded before the engine first writes there: content, owner, mode and extended attributes (ACLs
among them, acl(5)), or that nothing was there. A unit is recorded before its package is installed: enabled or
not, running or not. Contents lie in `generations/0/content/SHA256`; `found.json` names them. Where a path becomes
managed a second time (after `rollback 0`, say) and holds something else by then, the newer record counts and the
older stays. Directories are recorded once: owner and mode, or null.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posthouse.engine.goal import Goal
from posthouse.engine.machine import UnitState
from posthouse.engine.observe import at, file_states
from posthouse.engine.store import Store, now, sha256, write_synced
from posthouse.errors import PosthouseError
from posthouse.host import files as files_


@dataclass(frozen=True)
class Found:
    """The records, as they stand on the disk."""

    store: Store
    files: Mapping[str, list[dict[str, Any]]]
    units: Mapping[str, list[dict[str, Any]]]
    directories: Mapping[str, dict[str, Any] | None]

    @staticmethod
    def load(store: Store) -> Found:
        """Read the records; empty ones where nothing was recorded. PosthouseError if unreadable."""
        data = store.read("generations", 0, "found.json") or {"files": {}, "units": {}}
        return Found(store, data["files"], data["units"], data.get("directories", {}))

    def original(self, path: Path) -> Goal:
        """Return what was at a path before it was managed, as a goal."""
        records = self.files.get(path.as_posix())
        if not records or records[-1]["kind"] == "absent":
            return Goal(path, None, origin="no longer part of the service; nothing was here before")
        record = records[-1]
        content = self.store.path("generations", 0, "content", record["sha256"]).read_bytes()
        link = content.decode(errors="surrogateescape") if record["kind"] == "symlink" else None
        return Goal(
            path,
            content,
            record["owner"],
            record["group"],
            record["mode"],
            link,
            origin="no longer part of the service; as it was found",
            attributes=tuple(
                (name, b64decode(value)) for name, value in record.get("attributes", {}).items()
            ),
        )

    def unit(self, name: str) -> tuple[bool, bool]:
        """Return (running, enabled) as found; False where it was not there."""
        records = self.units.get(name)
        return (records[-1]["running"], records[-1]["enabled"]) if records else (False, False)

    def with_files(self, root: Path, paths: Iterable[Path]) -> Found:
        """Record paths that are about to become managed, where they hold something not yet recorded.

        Raises:
            PosthouseError: a path is a directory or a device: no file can take its place.
            OSError: the disk is full; what was recorded before is whole.
        """
        files = {name: list(records) for name, records in self.files.items()}
        for path, there in file_states(root, paths).items():
            record: dict[str, Any] = {"kind": "absent"}
            if there is not None:
                if there.kind not in ("file", "symlink"):
                    raise PosthouseError(
                        f"expected a file at {path}, or nothing; found a {there.kind}",
                        "move it away, then say it again",
                    )
                real = at(root, path)
                content = (
                    real.read_bytes()
                    if there.kind == "file"
                    else str(real.readlink()).encode(errors="surrogateescape")
                )
                record = {
                    "kind": there.kind,
                    "sha256": sha256(content),
                    "owner": there.owner,
                    "group": there.group,
                    "mode": there.mode,
                }
                if there.kind == "file" and (attributes := files_.attributes(real)):
                    record["attributes"] = {n: b64encode(v).decode() for n, v in attributes.items()}
                self._keep(content)
            records = files.setdefault(path.as_posix(), [])
            if not records or {k: v for k, v in records[-1].items() if k != "when"} != record:
                records.append(record | {"when": now()})
        return self._save(files, self.units, self.directories)

    def with_units(self, states: Mapping[str, UnitState]) -> Found:
        """Record units that have no record yet: an apply that was cut off has seen them already."""
        units = {name: list(records) for name, records in self.units.items()}
        for name, state in states.items():
            if not units.get(name):
                units[name] = [{"running": state.running, "enabled": state.enabled, "when": now()}]
        return self._save(self.files, units, self.directories)

    def with_directories(self, root: Path, paths: Iterable[Path]) -> Found:
        """Record directories that are about to be made, or given another owner or mode, once. PosthouseError."""
        directories: dict[str, Any] = dict(self.directories)
        for path in paths:
            if path.as_posix() not in directories:
                there = files_.state_of([at(root, path)], follow=True)[at(root, path)]
                record = there and {"owner": there.owner, "group": there.group, "mode": there.mode}
                directories[path.as_posix()] = record
        return self._save(self.files, self.units, directories)

    def _keep(self, content: bytes) -> None:
        path = self.store.path("generations", 0, "content", sha256(content))
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_synced(path, content)

    def _save(
        self, files: Mapping[str, Any], units: Mapping[str, Any], directories: Mapping[str, Any]
    ) -> Found:
        if (files, units, directories) != (self.files, self.units, self.directories):
            self.store.path("generations", 0).mkdir(mode=0o700, parents=True, exist_ok=True)
            data = {"files": files, "units": units, "directories": directories}
            self.store.write(Path("generations/0/found.json"), data)
        return Found(self.store, files, units, directories)
