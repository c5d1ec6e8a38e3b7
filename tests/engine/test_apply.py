"""Apply, plan and rollback on a machine in a folder."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.scratch import Scratch, Unit, a_file, a_service, engine_of, upper

from posthouse.engine import apply as engine_apply
from posthouse.engine import generations, plan, rollback, show, undo, verdict
from posthouse.engine.core import Interrupted, NotApplied
from posthouse.engine.generations import Inputs
from posthouse.engine.target import Outcome, Target
from posthouse.errors import PosthouseError, UsageError
from posthouse.resources import Blueprint, Checker, Package

POSTFIX = a_service("postfix", reload_on=["/etc/postfix"], restart_on=["/etc/postfix/master.cf"])
REDIS = a_service("redis", restart_on=["/etc/redis"])


def blueprint(main: str = "one\n", **more: object) -> Blueprint:
    files = (
        a_file("/etc/postfix/main.cf", main),
        a_file("/etc/postfix/master.cf", "master\n"),
        a_file("/etc/redis/redis.conf", "redis\n"),
    )
    return Blueprint(
        **{
            "packages": (Package("postfix"),),
            "files": files,
            "derived": (upper("/etc/postfix/main.cf", "/etc/postfix/main.db"),),
            "services": (REDIS, POSTFIX),
            **more,
        }
    )


def target(what: Blueprint, site: str | None = None) -> Target:
    return Target(what, Inputs(site if site is not None else str(hash(what))), "test", "12-systemd", "0.1")


@pytest.fixture
def machine(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def put(machine: Scratch, what: Blueprint, **more: object) -> Outcome:
    return engine_apply.apply(engine_of(machine), target(what), **{"probe": lambda: None, **more})


def plan_of(machine: Scratch, what: Blueprint) -> plan.Plan:
    return engine_apply.plan(engine_of(machine), target(what))


def test_first_apply_makes_everything_and_the_second_nothing(machine: Scratch) -> None:
    outcome = put(machine, blueprint())
    assert outcome.generation == 1
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert machine.path("/etc/postfix/main.db").read_text() == "ONE\n"
    assert machine.log == ["configure", "start redis", "start postfix"]
    assert machine.unit("postfix").enabled
    machine.log.clear()
    again = put(machine, blueprint())
    assert (again.generation, again.changed, again.plan.changes) == (1, False, ())
    assert machine.log == []
    assert not list(machine.root.rglob("*.posthouse-*"))


def test_only_the_touched_services_are_touched(machine: Scratch) -> None:
    put(machine, blueprint())
    machine.log.clear()
    put(machine, blueprint("two\n"))
    assert machine.log == ["configure", "reload postfix"]


def test_a_stopped_service_is_a_change(machine: Scratch) -> None:
    put(machine, blueprint())
    machine.set_unit("redis", Unit(enabled=True))
    changes = plan_of(machine, blueprint()).changes
    assert [(change.kind, change.what, change.action) for change in changes] == [
        ("service", "redis", "start")
    ]
    outcome = put(machine, blueprint())
    assert outcome.generation == 1
    assert machine.unit("redis").running


def test_plan_shows_diffs_without_secrets(machine: Scratch) -> None:
    old = Blueprint(files=(a_file("/etc/map", "user = a\npassword = hunter2\n", secrets=("hunter2",)),))
    new = Blueprint(files=(a_file("/etc/map", "user = b\npassword = swordfish\n", secrets=("swordfish",)),))
    put(machine, old)
    text = show.render_text(plan_of(machine, new))
    assert "-user = a" in text
    assert "+user = b" in text
    assert "hunter2" not in text
    assert "swordfish" not in text
    machine.path("/etc/map").write_text("user = a\npassword = by-hand\n")
    assert "by-hand" not in str(show.to_json(plan_of(machine, new)))


def test_a_red_checker_changes_nothing_and_all_red_ones_speak(machine: Scratch) -> None:
    put(machine, blueprint())
    says = "echo {stage}/etc/postfix/main.cf: line 1 >&2; exit 1"
    checkers = (
        Checker("postfix", ("/bin/sh", "-c", says)),
        Checker("quiet", ("/bin/sh", "-c", "exit 0")),
        Checker("warns", ("/bin/sh", "-c", "echo fine; echo 'warning: odd'"), refuse="^warning"),
        Checker("reads", ("/bin/sh", "-c", "grep -q two {stage}/etc/postfix/main.cf && exit 3")),
    )
    machine.log.clear()
    with pytest.raises(NotApplied) as caught:
        put(machine, blueprint("two\n", checkers=checkers))
    said = str(caught.value)
    assert "postfix:\n    /etc/postfix/main.cf: line 1" in said
    assert "warning: odd" in said
    assert "fine" not in said
    assert "reads" in said
    assert "quiet" not in said
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert machine.log == []


def test_the_stage_speaks_of_itself_and_has_the_neighbours(machine: Scratch) -> None:
    machine.path("/etc/postfix").mkdir(parents=True)
    machine.path("/etc/postfix/dynamicmaps.cf").write_text("maps\n")
    text = (
        "a = hash:/etc/postfix/main.cf\nb = /etc/postfix/main.cf.d/x /etc/postfix/other </etc/postfix/map\n"
    )
    files = (a_file("/etc/postfix/main.cf", text), a_file("/etc/postfix/map", "m\n"))
    show_it = "cd {stage}/etc/postfix && sed s,{stage},STAGE, main.cf >&2 && cat dynamicmaps.cf >&2; exit 1"
    with pytest.raises(NotApplied) as caught:
        put(machine, Blueprint(files=files, checkers=(Checker("c", ("/bin/sh", "-c", show_it)),)))
    said = str(caught.value)
    assert "a = hash:STAGE/etc/postfix/main.cf" in said
    assert "b = /etc/postfix/main.cf.d/x /etc/postfix/other <STAGE/etc/postfix/map" in said
    assert "maps" in said


def test_digest_binds_apply_to_the_plan_that_was_read(machine: Scratch) -> None:
    put(machine, blueprint())
    digest = plan_of(machine, blueprint("two\n")).digest
    machine.path("/etc/redis/redis.conf").write_text("by hand\n")
    with pytest.raises(NotApplied, match="no longer fits"):
        put(machine, blueprint("two\n"), digest=digest)
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"


def test_a_service_that_does_not_start_takes_it_back(machine: Scratch) -> None:
    put(machine, blueprint())
    before = machine.unit("postfix")
    with pytest.raises(NotApplied, match="generation 1 is back"):
        put(machine, blueprint("BROKEN\n"))
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert machine.path("/etc/postfix/main.db").read_text() == "ONE\n"
    assert machine.unit("postfix") == before
    engine = engine_of(machine)
    assert generations.numbers(engine.store) == [1]
    standing = verdict.standing(engine, target(blueprint("BROKEN\n")).inputs)
    assert "BROKEN" in standing[0]
    assert verdict.standing(engine, target(blueprint("three\n")).inputs) == []


def test_a_probe_that_passed_before_takes_it_back(machine: Scratch) -> None:
    put(machine, blueprint())
    with pytest.raises(NotApplied, match="no mail"):
        put(machine, blueprint("two\n"), probe=lambda: "no mail")
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert engine_of(machine).store.state().current == 1


def test_a_first_apply_that_is_not_proven_goes_on_from_there(machine: Scratch) -> None:
    outcome = put(machine, blueprint(), probe=lambda: "no mail")
    assert (outcome.generation, outcome.doubt) == (1, "no mail")
    assert [change.kind for change in plan_of(machine, blueprint()).changes] == ["proof"]
    machine.log.clear()
    assert put(machine, blueprint()).doubt == ""
    assert machine.log == []
    assert plan_of(machine, blueprint()).changes == ()


def test_drift_is_shown_kept_and_does_not_hinder_others(machine: Scratch) -> None:
    put(machine, blueprint())
    edited = machine.path("/etc/redis/redis.conf")
    edited.write_text("by hand\n")
    machine.path("/etc/postfix/master.cf").unlink()
    made = plan_of(machine, blueprint("two\n"))
    assert {(str(item.path), item.what) for item in made.drift} == {
        ("/etc/redis/redis.conf", "edited"),
        ("/etc/postfix/master.cf", "deleted"),
    }
    put(machine, blueprint("two\n"))
    assert edited.read_text() == "by hand\n"
    assert not machine.path("/etc/postfix/master.cf").exists()
    assert machine.path("/etc/postfix/main.cf").read_text() == "two\n"
    assert len(plan_of(machine, blueprint("two\n")).drift) == 2


def test_a_path_that_is_no_longer_wanted_gives_way_to_what_was_there(machine: Scratch) -> None:
    machine.path("/etc/redis").mkdir(parents=True)
    machine.path("/etc/redis/redis.conf").write_text("debian\n")
    put(machine, blueprint())
    less = Blueprint(packages=(Package("postfix"),))
    put(machine, less)
    assert machine.path("/etc/redis/redis.conf").read_text() == "debian\n"
    assert not machine.path("/etc/postfix/main.cf").exists()
    assert not machine.unit("postfix").running


def test_what_the_others_ask_is_stopped_when_they_no_longer_do(machine: Scratch) -> None:
    asked = replace(a_service("database"), outlasts=True)
    put(machine, blueprint(services=(asked, REDIS, POSTFIX)))
    machine.log.clear()
    put(machine, blueprint("two\n", services=(POSTFIX,)))
    assert machine.log == ["stop redis", "configure", "reload postfix", "stop database"]
    assert not machine.unit("database").enabled


def test_the_oldest_generations_go_but_for_those_in_use(
    machine: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "KEPT", 3)
    store = engine_of(machine).store
    for number in range(1, 7):
        put(machine, blueprint(f"{number}\n"))
    assert generations.numbers(store) == [3, 4, 5, 6]
    store.write("confirm.json", {"back_to": 3})
    put(machine, blueprint("seven\n"))
    assert generations.numbers(store) == [3, 4, 5, 6, 7]
    store.remove("confirm.json")
    (store.path("generations") / ".2.new").mkdir()  # a run was cut off there
    put(machine, blueprint("eight\n"))
    assert generations.numbers(store) == [5, 6, 7, 8]
    assert not list(store.path("generations").glob(".*"))
    assert put(machine, blueprint("eight\n")).generation == 8
    with pytest.raises(UsageError, match=r"no generation 2; there are 0, 5, 6, 7, 8"):
        generations.load(store, 2)


def test_what_cannot_be_removed_undoes_nothing(machine: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "bad disk")

    said: list[str] = []
    monkeypatch.setattr(generations, "prune", fails)
    engine = engine_of(machine, note=said.append)
    assert engine_apply.apply(engine, target(blueprint()), probe=lambda: None).generation == 1
    assert any("bad disk" in line for line in said)


def test_rollback_to_a_generation_and_to_the_machine_as_found(machine: Scratch) -> None:
    machine.path("/etc/postfix").mkdir(parents=True)
    machine.path("/etc/postfix/main.cf").write_text("debian\n")
    machine.path("/etc/postfix/main.cf").chmod(0o600)
    machine.set_unit("postfix", Unit(running=True, enabled=True))
    machine.set_unit("exim", Unit(running=True, enabled=True))
    put(machine, blueprint(quiet_units=("exim",)))
    assert not machine.unit("exim").running
    put(machine, blueprint("two\n", quiet_units=("exim",)))
    site = machine.path("/etc/posthouse/posthouse.toml")
    site.parent.mkdir(parents=True)
    site.write_text("in no generation")
    outcome = back(machine, 1, Inputs("in no generation"))
    assert outcome.generation == 1
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert site.read_text() == generations.inputs(engine_of(machine).store, 1).site
    copies = [item for item in site.parent.iterdir() if "before-rollback" in item.name]
    assert [item.read_text() for item in copies] == ["in no generation"]
    machine.path("/etc/redis/redis.conf").write_text("by hand\n")
    outcome = back(machine, 0, Inputs("x"))
    assert [item.read_text() for item in outcome.kept] == ["by hand\n"]
    found = machine.path("/etc/postfix/main.cf")
    assert (found.read_text(), found.stat().st_mode & 0o777) == ("debian\n", 0o600)
    assert not machine.path("/etc/postfix/master.cf").exists()
    assert not machine.path("/etc/redis/redis.conf").exists()
    assert machine.unit("postfix").running
    assert machine.unit("postfix").enabled
    assert machine.unit("exim").running
    assert not machine.unit("redis").running
    assert not machine.unit("redis").enabled
    assert back(machine, 2, Inputs("x")).generation == 2
    assert machine.path("/etc/postfix/main.cf").read_text() == "two\n"
    assert put(machine, blueprint("three\n")).generation == 3


def back(machine: Scratch, number: int, present: Inputs) -> Outcome:
    engine = engine_of(machine)
    home = rollback.Home(Path("/etc/posthouse/posthouse.toml"), Path("/etc/posthouse/overrides"))

    def never(_: Inputs) -> Blueprint:
        raise AssertionError("it was rendered for this platform")

    aim = rollback.target(engine, number, "12-systemd", never, home=home, present=present)
    return engine_apply.apply(engine, aim, probe=lambda: None)


def test_rollback_to_nowhere_is_refused(machine: Scratch) -> None:
    put(machine, blueprint())
    with pytest.raises(UsageError, match="there is no generation 7; there are 0, 1"):
        back(machine, 7, Inputs())


def test_a_directory_in_the_way_is_refused(machine: Scratch) -> None:
    machine.path("/etc/postfix/main.cf").mkdir(parents=True)
    with pytest.raises(PosthouseError, match="found a directory"):
        put(machine, blueprint())
    assert not machine.path("/etc/redis/redis.conf").exists()


def test_a_signal_undoes_and_says_so(machine: Scratch) -> None:
    put(machine, blueprint())

    def cut(step: str) -> None:
        if step == "switch":
            raise Interrupted("stopped by SIGTERM", 15)

    engine = engine_of(machine, step=cut)
    with pytest.raises(Interrupted, match="generation 1 is back"):
        engine_apply.apply(engine, target(blueprint("two\n")))
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert not list(machine.root.rglob("*.posthouse-*"))


def test_a_checker_that_only_a_hand_edit_offends_does_not_hold_up_the_others(machine: Scratch) -> None:
    checkers = (
        Checker("odd", ("/bin/sh", "-c", "grep -q odd {stage}/etc/redis/redis.conf && exit 1; exit 0")),
    )
    put(machine, blueprint(checkers=checkers))
    machine.path("/etc/redis/redis.conf").write_text("odd\n")
    notes: list[str] = []
    engine = engine_of(machine, note=notes.append)
    engine_apply.apply(engine, target(blueprint("two\n", checkers=checkers)))
    assert machine.path("/etc/postfix/main.cf").read_text() == "two\n"
    assert any("odd objects to an edit made by hand" in note for note in notes)


@pytest.mark.parametrize("at", ["lay", "switch", "service", "state"])
def test_a_full_disk_changes_nothing(machine: Scratch, at: str) -> None:
    put(machine, blueprint())

    def full(step: str) -> None:
        if step == at:
            raise OSError(errno.ENOSPC, "No space left on device", "/etc/postfix/main.cf")

    engine = engine_of(machine, step=full)
    with pytest.raises(NotApplied, match="No space left on device"):
        engine_apply.apply(engine, target(blueprint("two\n")), probe=lambda: None)
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert machine.path("/etc/postfix/main.db").read_text() == "ONE\n"
    assert machine.unit("postfix").read == machine.reads(POSTFIX)
    assert engine.store.state().current == 1
    assert not list(machine.root.rglob("*.posthouse-*"))


def test_a_file_of_an_unknown_owner_changes_nothing(machine: Scratch) -> None:
    put(machine, blueprint())
    files = (*blueprint("two\n").files, a_file("/etc/x", "x", owner="no-such-user"))
    with pytest.raises(NotApplied, match="cannot write /etc/x"):
        put(machine, blueprint(files=files))
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("at", ["prepared", "switch", "service done", "probe"])
def test_a_real_signal_undoes(machine: Scratch, at: str, number: signal.Signals) -> None:
    put(machine, blueprint())
    notes: list[str] = []

    def send(step: str) -> None:
        if step == at:
            os.kill(os.getpid(), number)

    engine = engine_of(machine, step=send, note=notes.append)
    with pytest.raises(Interrupted):
        engine_apply.apply(engine, target(blueprint("two\n")), probe=lambda: None)
    said = "no managed file was changed" if at == "prepared" else "generation 1 is back"
    assert any(f"stopped by {number.name}; " in note and said in note for note in notes)
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert machine.unit("postfix").read == machine.reads(POSTFIX)
    assert undo.interrupted(engine) is None


def test_what_prepare_changed_is_read_again(machine: Scratch) -> None:
    put(machine, blueprint())
    machine.log.clear()
    put(machine, blueprint(), prepare=lambda: [Path("/etc/redis/tls")])
    assert machine.log == ["configure", "restart redis"]


def test_a_generation_is_rendered_again_for_another_debian(machine: Scratch) -> None:
    put(machine, blueprint())
    engine = engine_of(machine)
    home = rollback.Home(Path("/etc/posthouse/posthouse.toml"), Path("/etc/posthouse/overrides"))
    asked: list[Inputs] = []

    def render(given: Inputs) -> Blueprint:
        asked.append(given)
        return blueprint("for thirteen\n")

    aim = rollback.target(engine, 1, "13-systemd", render, home=home, present=Inputs())
    engine_apply.apply(engine, aim)
    assert asked == [generations.inputs(engine.store, 1)]
    assert machine.path("/etc/postfix/main.cf").read_text() == "for thirteen\n"
    assert generations.blueprint(engine.store, 1, "13-systemd") == blueprint("for thirteen\n")
    assert generations.blueprint(engine.store, 1, "12-systemd") == blueprint()


def test_a_link_that_was_found_comes_back(machine: Scratch) -> None:
    machine.path("/etc/postfix").mkdir(parents=True)
    machine.path("/etc/postfix/main.cf").symlink_to("/elsewhere/main.cf")
    put(machine, blueprint())
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"
    assert not machine.path("/etc/postfix/main.cf").is_symlink()
    back(machine, 0, Inputs())
    assert str(machine.path("/etc/postfix/main.cf").readlink()) == "/elsewhere/main.cf"


def test_a_file_that_was_as_wanted_before_stays_when_going_back(machine: Scratch) -> None:
    machine.path("/etc/postfix").mkdir(parents=True)
    machine.path("/etc/postfix/main.cf").write_text("one\n")
    machine.path("/etc/postfix/main.cf").chmod(0o644)
    put(machine, blueprint())
    put(machine, blueprint("two\n"))
    back(machine, 0, Inputs())
    assert machine.path("/etc/postfix/main.cf").read_text() == "one\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_nobody_known_comes_back_as_it_was(machine: Scratch) -> None:
    machine.path("/etc/postfix").mkdir(parents=True)
    machine.path("/etc/postfix/main.cf").write_text("debian\n")
    os.chown(machine.path("/etc/postfix/main.cf"), 54321, 54322)
    put(machine, blueprint())
    back(machine, 0, Inputs())
    found = machine.path("/etc/postfix/main.cf").stat()
    assert (found.st_uid, found.st_gid) == (54321, 54322)
