"""A disk that is really full, at every point of an apply: a tmpfs of its own, filled to the last pages."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from tests.engine.scratch import Scratch, a_file, a_service, engine_of, upper

from posthouse.engine import apply as engine_apply
from posthouse.engine import undo
from posthouse.engine.core import NotApplied
from posthouse.engine.generations import Inputs
from posthouse.engine.target import Target
from posthouse.resources import Blueprint

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
PATHS = [f"/etc/daemon/file{number}" for number in range(6)]
DAEMON = a_service("daemon", reload_on=["/etc/daemon"])


def target(text: str) -> Target:
    files = tuple(a_file(path, text * 1000) for path in PATHS)
    what = Blueprint(files=files, services=(DAEMON,), derived=(upper(PATHS[0], "/etc/daemon/derived"),))
    return Target(what, Inputs(text), "test", "12-systemd")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_nothing_is_half_changed(tmp_path: Path) -> None:
    outcomes = {run_with(tmp_path, pages) for pages in range(0, 80, 4)}
    assert outcomes == {"refused", "applied"}


def run_with(folder: Path, pages: int) -> str:
    """Apply a change with so many free pages of 4 KiB left, in a child with mounts of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work(folder, pages)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    assert said in ("refused", "applied"), f"with {pages} pages: {said}"
    return said


def work(folder: Path, pages: int) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0
    assert libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
    assert libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=2m") == 0
    machine = Scratch(folder)
    engine_apply.apply(engine_of(machine), target("one\n"), probe=lambda: None)
    with (folder / "filler").open("wb") as filler:
        free = os.statvfs(folder).f_bavail
        filler.write(b"x" * 4096 * max(0, free - pages))
    try:
        engine_apply.apply(engine_of(machine), target("two\n"), probe=lambda: None)
        wanted, said = "two\n", "applied"
    except (NotApplied, OSError) as error:
        wanted, said = "one\n", "refused" if "No space left" in str(error) else str(error)
    assert undo.interrupted(engine_of(machine)) is None
    assert {machine.path(path).read_text() for path in PATHS} == {wanted * 1000}
    assert not list((folder / "etc").rglob("*.posthouse-*"))
    os.unlink(folder / "filler")  # noqa: PTH108
    engine_apply.apply(engine_of(machine), target("two\n"), probe=lambda: None)
    assert {machine.path(path).read_text() for path in PATHS} == {"two\n" * 1000}
    assert machine.unit("daemon").read == machine.reads(DAEMON)
    return said
