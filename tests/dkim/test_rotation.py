"""A domain's keys over the years: killed at any write, on clocks that jump, with a DNS that lags behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.dkim import keys, rotation
from posthouse.dkim.rotation import Seen
from posthouse.errors import PosthouseError

DOMAIN = "snorl.ax"
DAY = 86_400.0
REMEMBERED = 3_600.0


class Killed(BaseException):
    """SIGKILL, where nothing more is done."""


class World:
    """A folder of keys, the DNS that an operator keeps, and a clock."""

    def __init__(self, folder: Path, twins: bool) -> None:
        self.folder, self.time = folder, 1_800_000_000.0
        keys.with_twins(twins, folder)
        self.published = {key.selector for key in keys.with_twin(keys.ensure(DOMAIN, folder), folder)}

    def look(self, key: keys.Key) -> Seen:
        return Seen(key.selector in self.published, remembered=REMEMBERED)

    def rotate(self) -> rotation.Step:
        """What `dkim rotate` does, once."""
        step = rotation.advance(DOMAIN, self.look, lambda: self.time, self.folder)
        if step.stage == "settled":
            rotation.begin(DOMAIN, self.folder)
            step = rotation.advance(DOMAIN, self.look, lambda: self.time, self.folder)
        self.check()
        return step

    def operator(self, step: rotation.Step) -> None:
        """Publish and remove what the step says."""
        if step.stage == "publish":
            self.published.update(key.selector for key in step.both)
        if step.stage == "withdraw":
            self.published.difference_update(key.selector for key in step.both)

    def check(self) -> None:
        """What must be true at every instant."""
        signing = keys.signing(DOMAIN, self.folder)
        key = keys.one(DOMAIN, str(signing), self.folder)
        assert key is not None
        both = {one.selector for one in keys.with_twin(key, self.folder)}  # what signs
        assert both <= self.published
        assert both <= {key.selector for key in rotation.published(self.folder)}


@pytest.fixture(params=[False, True], ids=["rsa", "both"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


def bases(world: World) -> set[str]:
    """The selectors that are to be published, each with its twin's where keys have twins."""
    found = {key.selector for key in rotation.published(world.folder)}
    twins = {name for name in found if name.endswith(keys.TWIN)}
    has_twins = (world.folder / keys.TWINS).exists()
    assert twins == ({name + keys.TWIN for name in found - twins} if has_twins else set())
    return found - twins


@contextmanager
def killed_at(turn: int, after: bool) -> Iterator[None]:
    """Be killed at the n-th change of a file, before it or after."""
    count = 0
    write, unlink = keys.write, Path.unlink

    def counting(real: object, *arguments: object, **options: object) -> None:
        nonlocal count
        count += 1
        if count == turn and not after:
            raise Killed
        real(*arguments, **options)  # type: ignore[operator]
        if count == turn:
            raise Killed

    with (
        mock.patch.object(keys, "write", lambda *a: counting(write, *a)),
        mock.patch.object(Path, "unlink", lambda *a, **o: counting(unlink, *a, **o)),
    ):
        yield


@contextmanager
def quick_keys() -> Iterator[None]:
    """Making keys, and reading them, takes long; a selector tells them apart here."""
    with (
        mock.patch.object(keys, "_new_key", return_value=b"a key"),
        mock.patch.object(keys, "public_record", return_value="v=DKIM1; p=AAAA"),
        mock.patch.object(keys, "_new_twin", return_value=b"a twin"),
        mock.patch.object(keys, "twin_record", return_value="v=DKIM1; k=ed25519; p=AAAA"),
    ):
        yield


def test_a_whole_life(world: World) -> None:
    first = keys.signing(DOMAIN, world.folder)
    step = world.rotate()
    assert (step.stage, keys.signing(DOMAIN, world.folder)) == ("publish", first)
    assert step.key is not None
    assert step.key.selector == f"{first}b"
    assert bases(world) == {first, f"{first}b"}
    assert world.rotate().key == step.key  # the same one, however often it is said
    world.operator(step)
    step = world.rotate()
    assert (step.stage, step.until) == ("remember", world.time + REMEMBERED)
    world.time += REMEMBERED - 1
    assert world.rotate().stage == "remember"
    world.time += 1
    assert world.rotate().stage == "switched"
    assert keys.signing(DOMAIN, world.folder) == f"{first}b"
    step = world.rotate()
    assert step.stage == "draining"
    assert bases(world) == {first, f"{first}b"}
    world.time += rotation.DRAIN
    step = world.rotate()
    assert step.stage == "withdraw"
    world.operator(step)
    assert world.rotate().stage == "withdrawn"
    assert keys.selectors_of(DOMAIN, world.folder) == (f"{first}b",)
    assert rotation.rotations(world.folder) == {}


def test_both_records_must_be_there_and_both_must_be_gone(tmp_path: Path) -> None:
    world = World(tmp_path, True)
    step = world.rotate()
    rsa, twin = (key.selector for key in step.both)
    for alone in (rsa, twin):
        world.published.add(alone)
        assert world.rotate().stage == "publish", alone
        world.published.remove(alone)
    world.operator(step)
    world.rotate()
    world.time += REMEMBERED
    assert world.rotate().stage == "switched"
    world.time += rotation.DRAIN
    step = world.rotate()
    assert step.stage == "withdraw"
    world.published.remove(step.both[0].selector)
    assert world.rotate().stage == "withdraw"
    world.operator(step)
    assert world.rotate().stage == "withdrawn"
    assert [key.selector for key in keys.all(tmp_path)] == [rsa, twin]
    assert len(list(tmp_path.glob("*.key"))) == 2


def test_a_key_without_a_twin_gets_one_with_its_next(tmp_path: Path) -> None:
    world = World(tmp_path, False)
    keys.with_twins(True, tmp_path)
    assert keys.ensure(DOMAIN, tmp_path)
    assert [key.algorithm for key in keys.all(tmp_path)] == ["rsa"]
    step = world.rotate()
    assert [key.algorithm for key in step.both] == ["rsa", "ed25519"]
    world.operator(step)
    world.rotate()
    world.time += REMEMBERED
    world.rotate()
    assert [key.algorithm for key in keys.all(tmp_path)] == ["rsa", "ed25519"]
    keys.with_twins(False, tmp_path)
    assert len(keys.all(tmp_path)) == 2  # they are published, and stay


def test_a_record_that_vanishes_while_it_waits_begins_the_wait_anew(world: World) -> None:
    step = world.rotate()
    world.operator(step)
    assert world.rotate().stage == "remember"
    world.published.difference_update(key.selector for key in step.both)
    world.time += DAY
    assert world.rotate().stage == "publish"
    world.operator(step)
    assert world.rotate().stage == "remember"


def test_a_clock_set_back_begins_the_wait_anew(world: World) -> None:
    world.operator(world.rotate())
    world.rotate()
    world.time -= 30 * DAY
    step = world.rotate()
    assert (step.stage, step.until) == ("remember", world.time + REMEMBERED)


def test_a_clock_set_back_does_not_keep_an_old_key_for_as_long(world: World) -> None:
    world.operator(world.rotate())
    world.rotate()
    world.time += REMEMBERED
    assert world.rotate().stage == "switched"
    world.time -= 300 * DAY
    step = world.rotate()
    assert (step.stage, step.until) == ("draining", world.time + rotation.DRAIN)
    world.time += rotation.DRAIN
    assert world.rotate().stage == "withdraw"


def test_a_new_key_can_be_given_up(world: World) -> None:
    first = keys.signing(DOMAIN, world.folder)
    world.rotate()
    assert rotation.abandon(DOMAIN, world.folder)
    assert not rotation.abandon(DOMAIN, world.folder)
    assert keys.selectors_of(DOMAIN, world.folder) == (first,)


def test_a_lost_next_key_leaves_the_present_one(world: World) -> None:
    step = world.rotate()
    assert step.key is not None
    step.key.path.unlink()
    with pytest.raises(PosthouseError, match=f"{step.key.selector}.key: the next key"):
        world.rotate()
    world.check()


def test_a_broken_state_file_is_told(world: World) -> None:
    (world.folder / rotation.STATE).write_text("[1]")
    with pytest.raises(PosthouseError, match=r"rotations\.json: expected what posthouse wrote"):
        world.rotate()


MOVES = st.one_of(
    st.tuples(st.just("kill"), st.integers(1, 6), st.booleans()),
    st.tuples(st.just("say"), st.just(0), st.booleans()),
    st.tuples(st.just("wait"), st.integers(0, 20), st.booleans()),
    st.tuples(st.just("jump"), st.integers(-400, 400), st.booleans()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(MOVES, max_size=40), st.booleans())
def test_whatever_happens_no_mail_is_signed_with_a_key_that_dns_does_not_show(
    moves: list[tuple[str, int, bool]], twins: bool
) -> None:
    with TemporaryDirectory() as folder, quick_keys():
        world = World(Path(folder), twins)
        for move, number, flag in moves:
            if move == "jump":
                world.time += number * DAY
            elif move == "wait":
                world.time += number * 600.0
            else:
                try:
                    with killed_at(number if move == "kill" else 0, flag):
                        step = world.rotate()
                except Killed:
                    world.check()
                else:
                    if move == "say" or flag:
                        world.operator(step)
        # However it came to this, it comes to an end.
        stages = []
        for _ in range(12):
            step = world.rotate()
            world.operator(step)
            world.time += 11 * DAY
            stages.append(step.stage)
        assert "withdrawn" in stages, stages
