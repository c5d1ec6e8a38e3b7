"""What the operator's files render to, remembered: with nothing changed, nothing is parsed or rendered again.

The memory is one file in the engine's folder. Its key covers everything that the blueprint is a function
of: site file, overrides, Debian and service manager, and the program's own files (by size and time).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from posthouse import __version__, paths
from posthouse.engine.codec import decode, encode
from posthouse.engine.generations import Inputs
from posthouse.engine.store import Store, sha256
from posthouse.resources import Blueprint

_FILE = "rendered.json"
_SOURCES = ("stack", "site", "directory", "resources.py", "paths.py")


def remembered(store: Store, inputs: Inputs, platform: str, render: Callable[[], Blueprint]) -> Blueprint:
    """Return the blueprint from the memory, or render it. Raises what `render` raises."""
    key = sha256(json.dumps([inputs.digest, platform, __version__, *_sources()]).encode())
    try:
        data = json.loads(store.path(_FILE).read_bytes())
        if data["key"] == key:
            return decode(data["blueprint"])
    except (OSError, ValueError, LookupError, TypeError):
        pass  # no memory, or that of another version: render
    blueprint = render()
    try:
        if store.folder.is_dir() and os.geteuid() == 0:
            store.write(_FILE, {"key": key, "blueprint": encode(blueprint)})
    except OSError:
        pass  # a full disk costs time, not the plan
    return blueprint


def _sources() -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of every file that rendering runs on."""
    package = Path(paths.__file__).parent
    for name in _SOURCES:
        yield from _files(str(package / name))


def _files(path: str) -> Iterator[tuple[str, int, int]]:
    if os.path.isdir(path):  # noqa: PTH112 - a hundred files in a millisecond
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name != "__pycache__":
                    yield from _files(entry.path)
    else:
        found = os.stat(path)  # noqa: PTH116
        yield path, found.st_size, found.st_mtime_ns
