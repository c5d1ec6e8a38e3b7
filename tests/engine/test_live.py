"""Files of which the machine takes note by a program, and paths outside the file set that an apply changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.scratch import Scratch, Unit, a_file, a_service, engine_of

from posthouse.engine import apply as engine_apply
from posthouse.engine import rollback, undo
from posthouse.engine.core import NotApplied
from posthouse.engine.generations import Inputs
from posthouse.engine.target import Target
from posthouse.resources import Blueprint, File

DAEMON = a_service("daemon", reload_on=["/etc/daemon", "/var/lib/pair"])
TAKE_NOTE = ("/bin/sh", "-c", "cp {root}/etc/name {root}/kernel 2>/dev/null || : >{root}/kernel")


def target(name: str, live: tuple[str, ...] = TAKE_NOTE, **more: object) -> Target:
    files: tuple[File, ...] = (a_file("/etc/name", name, live=live), a_file("/etc/daemon/conf", name))
    what = Blueprint(files=files, services=(DAEMON,))
    return Target(what, Inputs(name), "test", "12-systemd", "0.1", **more)  # type: ignore[arg-type]


@pytest.fixture
def machine(tmp_path: Path) -> Scratch:
    made = Scratch(tmp_path)
    made.path("/etc").mkdir()
    made.path("/etc/name").write_text("found")
    return made


def kernel(machine: Scratch) -> str:
    """What the machine took note of."""
    return machine.path("/kernel").read_text()


def test_the_machine_takes_note_forth_and_back(machine: Scratch) -> None:
    engine = engine_of(machine)
    engine_apply.apply(engine, target("one"))
    assert kernel(machine) == "one"
    machine.path("/kernel").write_text("unasked")
    engine_apply.apply(engine, target("one"))
    assert kernel(machine) == "unasked", "nothing changed, nothing is said"
    engine_apply.apply(engine, target("two"))
    assert kernel(machine) == "two"
    home = rollback.Home(Path("/etc/site"), Path("/etc/overrides"))
    aim = rollback.target(
        engine, 0, "12-systemd", lambda _: Blueprint(), home=home, present=Inputs("two"), inputs_too=False
    )
    engine_apply.apply(engine, aim)
    assert machine.path("/etc/name").read_text() == "found"
    assert kernel(machine) == "found"


def test_what_is_taken_back_is_taken_note_of(machine: Scratch) -> None:
    engine = engine_of(machine)
    engine_apply.apply(engine, target("one"), probe=lambda: None)
    with pytest.raises(NotApplied):
        engine_apply.apply(engine, target("BROKEN"))
    assert kernel(machine) == "one"


def test_what_was_cut_off_is_taken_note_of(machine: Scratch) -> None:
    class Cut(BaseException):
        pass

    def step(word: str) -> None:
        if word == "configured":
            raise Cut

    engine_apply.apply(engine_of(machine), target("one"))
    with pytest.raises(Cut):
        engine_apply.apply(engine_of(machine, step=step), target("two"))
    assert kernel(machine) == "two"
    undo.recover(engine_of(machine))
    assert kernel(machine) == "one"


def test_a_machine_that_cannot_is_said_and_the_rest_goes_on(machine: Scratch) -> None:
    said: list[str] = []
    refuses = ("/bin/sh", "-c", "echo 'you must be root' >&2; exit 1")
    engine_apply.apply(engine_of(machine, note=said.append), target("one", refuses))
    assert any("you must be root; the rest goes on" in line for line in said)
    assert machine.unit("daemon").running


def test_a_path_outside_is_planned_and_read_again(machine: Scratch) -> None:
    engine = engine_of(machine)
    engine_apply.apply(engine, target("one"))
    machine.log.clear()
    outside = ((Path("/var/lib/pair"), "renewed"),)
    (change, work) = engine_apply.plan(engine, target("one", outside=outside)).changes
    assert (change.kind, change.what, change.reason) == ("path", "/var/lib/pair", "renewed")
    assert (work.what, work.action) == ("daemon", "reload")
    outcome = engine_apply.apply(engine, target("one", outside=outside))
    assert (outcome.changed, outcome.generation) == (True, 1)
    assert machine.log == ["configure", "reload daemon"]
    assert machine.unit("daemon") != Unit()
