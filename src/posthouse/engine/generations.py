"""Generations: every file set that was applied, with the site file and overrides that it came from.

    generations/N/generation.json       number, when, why, package versions, platform
    generations/N/inputs.json           site file and overrides as they were
    generations/N/blueprint-PLATFORM    all resources, files with their contents; one for each platform
                                        (Debian and service manager) for which N was rendered

A generation is written once and never changed, but for a further platform after an upgrade of Debian.
Number 0 is `found.py`. `current` stands in `state.json` and may move back: numbers are never used twice.
An apply that made a new one removes the oldest beyond KEPT; never the current one, nor the one that an apply
without its confirmation would go back to.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from posthouse.engine.codec import decode, encode
from posthouse.engine.store import Store, now, sha256, sync_folder, write_synced
from posthouse.errors import UsageError
from posthouse.resources import Blueprint

KEPT = 50  # of some 100 KiB each; number 0 and those in use are not among them


@dataclass(frozen=True)
class Inputs:
    """What a blueprint is rendered from: the site file's text, and the overrides' by relative path."""

    site: str = ""
    overrides: Mapping[str, str] | None = None

    @property
    def digest(self) -> str:
        """Return a digest of all of it."""
        return sha256(json.dumps([self.site, dict(self.overrides or {})], sort_keys=True).encode())[:16]


@dataclass(frozen=True)
class Generation:
    """One generation's label. `when` is ISO 8601, UTC."""

    number: int
    when: str
    why: str
    platform: str
    version: str
    packages: Mapping[str, str | None]


def numbers(store: Store) -> list[int]:
    """Return the numbers that are there, ascending, without 0."""
    folder = store.path("generations")
    names = [item.name for item in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch(r"[1-9]\d*", name))


def load(store: Store, number: int) -> Generation:
    """Return a generation's label. UsageError where there is no such generation."""
    data = store.read("generations", number, "generation.json") if number > 0 else None
    if data is None:
        known = ", ".join(map(str, [0, *numbers(store)]))
        raise UsageError(f"there is no generation {number}; there are {known}", "see `posthouse generations`")
    return Generation(**{name: data[name] for name in Generation.__dataclass_fields__})


def inputs(store: Store, number: int) -> Inputs:
    """Return the site file and overrides as they were; empty ones for generation 0."""
    data = store.read("generations", number, "inputs.json") or {"site": "", "overrides": {}}
    return Inputs(data["site"], data["overrides"])


def blueprint(store: Store, number: int, platform: str) -> Blueprint | None:
    """Return what a generation holds for a platform; None where it was never rendered for it."""
    if number == 0:
        return Blueprint()
    data = store.read("generations", number, f"blueprint-{platform}.json")
    return None if data is None else decode(data)


def write(store: Store, label: Generation, given: Inputs, what: Blueprint) -> None:
    """Write a new generation: whole or not at all. OSError on a full disk."""
    folder, fresh = store.path("generations", label.number), store.path("generations", f".{label.number}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    _write(fresh / "generation.json", label.__dict__)
    _write(fresh / "inputs.json", {"site": given.site, "overrides": dict(given.overrides or {})})
    _write(fresh / f"blueprint-{label.platform}.json", encode(what))
    fresh.rename(folder)
    sync_folder(folder.parent)


def add_platform(store: Store, number: int, platform: str, what: Blueprint) -> None:
    """Keep what a generation was rendered to for a further platform."""
    write_synced(store.path("generations", number, f"blueprint-{platform}.json"), _bytes(encode(what)))


def drop(store: Store, number: int) -> None:
    """Remove a generation that never became current. Safe to be cut off and said again."""
    folder, away = store.path("generations", number), store.path("generations", f".{number}.new")
    if folder.exists():
        shutil.rmtree(away, ignore_errors=True)
        folder.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def prune(store: Store, step: Callable[[str], None] = lambda _: None) -> None:
    """Remove the oldest generations, and what a run that was cut off left of one. The lock is the caller's.

    A generation goes by one rename, so it is there whole or not at all; the newest always stays, so that no
    number comes twice. OSError where one cannot be removed.
    """
    waits = store.read("confirm.json")  # an apply that may still be taken back
    stay = {store.state().current, waits["back_to"] if waits else 0}
    for number in [number for number in numbers(store) if number not in stay][:-KEPT]:
        step("prune")
        drop(store, number)
    for left in store.path("generations").glob(".*.new"):
        shutil.rmtree(left, ignore_errors=True)


def label(
    store: Store, why: str, platform: str, version: str, packages: Mapping[str, str | None]
) -> Generation:
    """Return the label of the next generation."""
    return Generation(max([0, *numbers(store)]) + 1, now(), why, platform, version, packages)


def _write(path: Any, value: Any) -> None:
    write_synced(path, _bytes(value))


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
