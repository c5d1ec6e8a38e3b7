"""Any sequence of site edits, hand edits, applies, cuts and rollbacks: one generation plus the hand edits.

Applies run in a forked child that ends itself at a step: nothing of Python's own gets a chance to tidy up,
as with SIGKILL. The model beside it says what the files must be once the next apply has come to its end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.engine.scratch import Scratch, a_file, a_service, engine_of, upper

from posthouse.engine import apply as engine_apply
from posthouse.engine import drift, generations, rollback, undo
from posthouse.engine.core import Engine, NotApplied
from posthouse.engine.generations import Inputs
from posthouse.engine.target import Outcome, Target
from posthouse.resources import Blueprint, Package

PATHS = ("/etc/postfix/main.cf", "/etc/postfix/map", "/etc/redis/redis.conf", "/etc/extra")
SERVICES = (
    a_service("redis", restart_on=["/etc/redis"]),
    a_service("postfix", reload_on=["/etc/postfix", "/etc/extra"]),
)
FOUND = {"/etc/postfix/main.cf": "found\n"}
TEXTS = st.sampled_from(["one\n", "two\n", "three\n", "BROKEN\n"])
EDITS = st.sampled_from(["edit a\n", "edit b\n"])
PLATFORM = "12-systemd"


def render(site: dict[str, str]) -> Blueprint:
    files = tuple(a_file(path, text) for path, text in sorted(site.items()))
    derived = (upper("/etc/postfix/map", "/etc/postfix/map.db"),) if "/etc/postfix/map" in site else ()
    return Blueprint(packages=(Package("postfix"),), files=files, derived=derived, services=SERVICES)


def target(site: dict[str, str]) -> Target:
    return Target(render(site), Inputs(repr(sorted(site.items()))), "test", PLATFORM, "0.1")


class Machine(RuleBasedStateMachine):
    """What should be: `base` is what unmanaged paths hold, `generations` what each number holds, `number`
    the one that is current, `edits` what hands did to its files since (None: deleted)."""

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="posthouse-"))
        self.machine = Scratch(self.root)
        for path, text in FOUND.items():
            self.machine.path(path).parent.mkdir(parents=True, exist_ok=True)
            self.machine.path(path).write_text(text)
        self.site: dict[str, str] = {PATHS[0]: "one\n", PATHS[1]: "one\n"}
        self.edits: dict[str, str | None] = {}
        self.base: dict[str, str | None] = dict(FOUND)
        self.generations: dict[int, dict[str, str]] = {0: {}}
        self.number = 0
        self.by_hand: set[str] = set()
        self.kept, generations.KEPT = generations.KEPT, 2

    def teardown(self) -> None:
        if hasattr(self, "kept"):
            generations.KEPT = self.kept
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def files(self) -> dict[str, str]:
        return {
            path: self.machine.path(path).read_text() for path in PATHS if self.machine.path(path).exists()
        }

    def current(self) -> int:
        return engine_of(self.machine).store.state().current

    # what happens

    @rule(path=st.sampled_from(PATHS), text=st.one_of(st.none(), TEXTS))
    def change_site(self, path: str, text: str | None) -> None:
        self.site.pop(path, None)
        if text is not None:
            self.site[path] = text

    @rule(path=st.sampled_from(PATHS), text=st.one_of(st.none(), EDITS))
    def edit_by_hand(self, path: str, text: str | None) -> None:
        self.machine.path(path).unlink(missing_ok=True)
        if text is not None:
            self.machine.path(path).parent.mkdir(parents=True, exist_ok=True)
            self.machine.path(path).write_text(text)
        self.by_hand.add(path)
        if path in self.generations[self.number]:
            self.edits[path] = text
        else:
            self.base[path] = text

    @rule()
    def apply(self) -> None:
        self._apply_and_check()

    @rule(cut=st.integers(0, 80), again=st.one_of(st.none(), st.integers(0, 30)))
    def apply_cut_off(self, cut: int, again: int | None) -> None:
        """Cut an apply off at its n-th step, perhaps the next one too, then apply to the end."""
        self._forked(cut, lambda engine: engine_apply.apply(engine, target(self.site)))
        if again is not None:
            self._forked(again, lambda engine: engine_apply.apply(engine, target(self.site)))
        self._apply_and_check()

    @rule(cut=st.integers(0, 80))
    def recover_alone(self, cut: int) -> None:
        """After a cut the files are in one generation as soon as somebody recovers, without an apply."""
        self._forked(cut, lambda engine: engine_apply.apply(engine, target(self.site)))
        self._recover()
        assert self.files() == self._expected()
        self._services_read_what_is_there()

    @rule(pick=st.integers(0, 10), cut=st.one_of(st.none(), st.integers(0, 60)))
    def roll_back(self, pick: int, cut: int | None) -> None:
        known = [0, *generations.numbers(engine_of(self.machine).store)]
        number = known[pick % len(known)]
        lost = {text for text in self.edits.values() if text is not None}
        if cut is not None:
            self._forked(cut, lambda engine: self._back(engine, number))
            undo.recover(engine_of(self.machine))
        try:
            outcome = self._back(engine_of(self.machine), number)
        except NotApplied:
            self._recover()
            assert self.files() == self._expected()
            return
        assert outcome.generation == number == self.current()
        self.number = number
        self.edits.clear()
        assert self.files() == self._expected()
        self._services_read_what_is_there()
        copies = (self.root / "var/lib/posthouse/engine/kept").rglob("*")
        # an edit that is what the generation has as well is in its place, and needs no copy
        assert lost <= {path.read_text() for path in copies if path.is_file()} | set(self.files().values())

    @rule(path=st.sampled_from(PATHS))
    def discard(self, path: str) -> None:
        engine = engine_of(self.machine)
        found = [item for item in drift.seen(engine) if str(item.path) == path]
        assert bool(found) == (path in self.edits)
        if not found:
            return
        drift.free(engine, found[0])
        aim = Target(render(self.generations[self.number]), Inputs(), "discard", PLATFORM, number=self.number)
        try:
            engine_apply.apply(engine, aim)
            del self.edits[path]
        except NotApplied:
            self._recover()
        assert self.files() == self._expected()

    # what must hold

    @invariant()
    def nothing_is_left_beside(self) -> None:
        if hasattr(self, "root") and undo.interrupted(engine_of(self.machine)) is None:
            assert not list((self.root / "etc").rglob("*.posthouse-*"))

    def _recover(self) -> None:
        undo.recover(engine_of(self.machine))
        self._moved_to(self.current())

    def _moved_to(self, number: int) -> None:
        """An apply came to its end: edits of files that are no longer managed are nobody's business now."""
        store = engine_of(self.machine).store
        for known in generations.numbers(store):
            held = generations.blueprint(store, known, PLATFORM)
            assert held is not None
            self.generations[known] = {str(file.path): file.content for file in held.files}
        if number == self.number:
            return
        self.number = number
        holds = self.generations[number]
        self.base |= {path: text for path, text in self.edits.items() if path not in holds}
        self.edits = {
            path: text for path, text in self.edits.items() if path in holds and holds[path] != text
        }

    def _apply_and_check(self) -> None:
        self._recover()
        assert self.files() == self._expected()
        before = self.number
        store = engine_of(self.machine).store
        newest = max([0, *generations.numbers(store)])
        try:
            outcome = engine_apply.apply(engine_of(self.machine), target(self.site), probe=lambda: None)
        except NotApplied:
            assert self.current() == before
            assert self.files() == self._expected()
            self._services_read_what_is_there()
            return
        assert self.current() == outcome.generation
        self._moved_to(outcome.generation)
        assert self.generations[self.number] == self.site
        if self.number not in (before, newest):
            assert len(generations.numbers(store)) <= generations.KEPT + 1
            assert self.number == newest + 1 == generations.numbers(store)[-1]
            assert not list(store.path("generations").glob(".*"))
        assert self.machine.path("/etc/postfix/map.db").exists() == ("/etc/postfix/map" in self.site)
        assert self.files() == self._expected()
        if outcome.doubt == "":
            self._services_read_what_is_there()
            assert engine_apply.plan(engine_of(self.machine), target(self.site)).changes == ()

    def _expected(self) -> dict[str, str]:
        files: dict[str, str | None] = {**self.base, **self.generations[self.number], **self.edits}
        return {path: text for path, text in files.items() if text is not None}

    def _services_read_what_is_there(self) -> None:
        """A service that runs has read what the disk holds, but for edits that nobody told it of."""
        unmanaged = self.by_hand - set(self.generations[self.number])
        edited = {str(self.machine.path(path)) for path in {*self.edits, *unmanaged}}
        for service in SERVICES:
            unit = self.machine.unit(service.name)
            if unit.running:
                there = self.machine.reads(service)
                differ = {path for path in {*unit.read, *there} if unit.read.get(path) != there.get(path)}
                derived = {str(self.machine.path("/etc/postfix/map.db"))}
                assert differ <= edited | (derived if edited else set())

    def _back(self, engine: Engine, number: int) -> Outcome:
        home = rollback.Home(Path("/etc/posthouse/posthouse.toml"), Path("/etc/posthouse/overrides"))

        def never(_: Inputs) -> Blueprint:
            raise AssertionError

        aim = rollback.target(engine, number, PLATFORM, never, home=home, present=Inputs(), inputs_too=False)
        return engine_apply.apply(engine, aim)

    def _forked(self, cut: int, work: object) -> None:
        """Do something in a child that ends at its n-th step, without a word."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        left = [cut]

        def step(_: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)

        try:
            work(engine_of(replace(self.machine, step=step), step=step))  # type: ignore[operator]
        finally:
            os._exit(0)


TestSequences = pytest.mark.timeout(300)(Machine.TestCase)
TestSequences.settings = settings(
    max_examples=40,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
