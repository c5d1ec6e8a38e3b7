"""Look at the next Debian before it comes: its daemons, unpacked aside, read the configuration that they would get."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from posthouse import paths, stack
from posthouse.errors import PosthouseError
from posthouse.host.packages.room import Room
from posthouse.ops import cluster
from posthouse.ops.context import Base
from posthouse.ops.release import judge
from posthouse.resources import Blueprint
from posthouse.site.release import Release

Note = Callable[[str], None]

NEXT = {12: Release(13)}
ROOM = paths.ENGINE / "room"
_CERTIFICATE = (paths.TLS / "fullchain.pem", paths.TLS / "privkey.pem")


@dataclass(frozen=True)
class Look:
    """What was found; `problems` empty: the next Debian may come."""

    now: Release
    to: Release
    problems: tuple[str, ...]


def next_of(base: Base) -> Release:
    """Return the Debian whose daemons come next. PosthouseError where there is none that Posthouse knows."""
    if base.release.debian not in NEXT:
        raise PosthouseError(
            f"Debian {base.release.debian} is the newest that this Posthouse knows: there is nothing to upgrade to."
        )
    return NEXT[base.release.debian]


def look(base: Base, note: Note) -> Look:
    """Fetch the next Debian's daemons into a folder of their own, and let their checkers read.

    Changes nothing on the machine. SiteFileError; PosthouseError where the packages cannot be had.
    """
    to = next_of(base)
    site = base.site(base.inputs)
    local = site.directory.backend == "postgresql" and site.directory.url is None
    if local and not cluster.is_carried(base.release.debian):
        raise PosthouseError(
            "the directory is in a PostgreSQL that was on this machine before Posthouse; it is yours to carry over",
            "Say `posthouse directory move sqlite`, then this again. When Debian's new PostgreSQL has your"
            " databases (pg_upgradecluster(1)): `posthouse directory move postgresql`.",
        )
    names = [package.name for package in stack.assemble(site, to, base.ground, {}).packages]
    room = Room(ROOM)
    try:
        room.make(base.release.suite, to.suite, names, note)
        for path in _CERTIFICATE:
            if path.exists():
                room.write(path, path.read_bytes(), 0o600)
        note(f"letting the daemons of Debian {to.debian} read their configuration")
        found = judge.problems(
            site, to, base.ground, base.inputs.overrides or {}, lambda blueprint: _ask(room, blueprint)
        )
    finally:
        room.remove()
    return Look(base.release, to, tuple(found))


def _ask(room: Room, blueprint: Blueprint) -> Mapping[str, str]:
    """Put the files into the room, and return what the red checkers say."""
    red: dict[str, str] = {}
    for file in blueprint.files:
        room.write(file.path, file.content.encode(), file.mode)
    for checker in blueprint.checkers:
        argv = [word.replace("{stage}", "") for word in checker.argv]
        env = {name: value.replace("{stage}", "") for name, value in checker.env}
        done = room.run(argv, env)
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        bad = [line for line in lines if checker.refuse and re.search(checker.refuse, line)]
        if done.returncode or bad:
            said = bad if done.returncode == 0 else lines[-20:]
            red[checker.name] = (
                "\n".join(dict.fromkeys(said)) or f"exit status {done.returncode}, and no word"
            )
    for file in blueprint.files:
        if "override.d" in file.path.parts:  # the next one that is asked has others
            (room.root / file.path.relative_to("/")).unlink()
    return red
