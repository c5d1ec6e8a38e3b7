"""Where a line of a daemon's file comes from: a field of the site file, an override, or a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from posthouse.engine.diff import mask
from posthouse.errors import UsageError
from posthouse.resources import Blueprint, File


@dataclass(frozen=True)
class Explained:
    """A setting: its file, its whole name there, where it comes from, and its value (None: it has none)."""

    file: Path
    setting: str
    origin: str
    value: str | None


def explain(blueprint: Blueprint, what: str) -> list[Explained]:
    """Return every setting that `FILE:SETTING` can mean; FILE may be a path's end.

    UsageError where there is no such file or setting, with the nearest names.
    """
    name, colon, setting = what.rpartition(":")
    if not colon or not setting:
        raise UsageError(
            f"expected FILE:SETTING, found {what!r}", "As in: posthouse explain main.cf:mydestination"
        )
    files = [file for file in blueprint.files if _is_called(file.path, name)]
    if not files:
        known = sorted({file.path.name for file in blueprint.files if file.origins})
        raise UsageError(f"posthouse manages no file {name}", _near(name, known))
    found = [
        Explained(file.path, full, origin, _value(file, full))
        for file in files
        for full, origin in file.origins
        if full == setting or full.rpartition("/")[2] == setting or full == setting.replace(" ", "/")
    ]
    if not found:
        known = [full for file in files for full, _ in file.origins]
        raise UsageError(
            f"{', '.join(str(file.path) for file in files)} does not set {setting}: its default holds",
            _near(setting, known),
        )
    return found


def _is_called(path: Path, name: str) -> bool:
    return path == Path(name) or path.parts[-len(Path(name).parts) :] == Path(name).parts


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.4)
    return f"Near to it: {', '.join(near)}" if near else f"There are: {', '.join(sorted(known)[:20])}"


def _value(file: File, full: str) -> str | None:
    """Return the value as the file has it, the last one where a name stands twice; secrets masked."""
    name = full if re.search(rf"(?m)^{re.escape(full)}\b", file.content) else full.rpartition("/")[2]
    if re.search(rf"(?m)^\s*{re.escape(name)}\s*[=:]", file.content) is None and "/" in full:
        name = full.replace("/", " ")  # a service of master.cf: name and type
        lines = [line for line in file.content.splitlines() if line.split()[:2] == name.split()]
        return " ".join(lines[-1].split()[2:]) if lines else None
    pattern = rf"(?m)^[ \t]*{re.escape(name)}[ \t]*(?:=|:|[ \t])[ \t]*(.*(?:\n[ \t]+[^#\s].*)*)"
    if "{" in file.content:
        pattern = rf"(?m)^[ \t]*{re.escape(name)}[ \t]*(?:=|:|[ \t])[ \t]*(.*)"
    values = re.findall(pattern, mask(file.content, [file]))
    return " ".join(values[-1].split()) if values else None
