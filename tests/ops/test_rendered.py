"""The memory of what was rendered: right, renewed when anything changes, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse import stack
from posthouse.engine.codec import decode, encode
from posthouse.engine.generations import Inputs
from posthouse.engine.store import Store
from posthouse.ops.context import overrides
from posthouse.ops.rendered import remembered
from posthouse.resources import Blueprint, File
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")


@pytest.mark.parametrize("debian", [12, 13])
@pytest.mark.parametrize("manager", ["systemd", "supervisor"])
def test_a_whole_blueprint_comes_back_as_it_was(debian: int, manager: str) -> None:
    blueprint = stack.assemble(SITE, Release(debian), Ground(manager), {})  # type: ignore[arg-type]
    assert decode(encode(blueprint)) == blueprint


@given(st.text(), st.lists(st.text()), st.integers(0, 0o7777))
def test_any_file_comes_back(content: str, secrets: list[str], mode: int) -> None:
    blueprint = Blueprint(files=(File(Path("/etc/x"), content, mode=mode, secrets=tuple(secrets)),))
    assert decode(encode(blueprint)) == blueprint


def test_rendered_once_while_nothing_changes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    calls: list[int] = []

    def render() -> Blueprint:
        calls.append(1)
        return Blueprint(quiet_units=("a",))

    assert remembered(store, Inputs("one"), "p", render) == remembered(store, Inputs("one"), "p", render)
    assert len(calls) == 1
    remembered(store, Inputs("two"), "p", render)
    remembered(store, Inputs("two", {"a": "b"}), "p", render)
    remembered(store, Inputs("two", {"a": "b"}), "q", render)
    assert len(calls) == 4
    store.path("rendered.json").write_text("{half")
    remembered(store, Inputs("two", {"a": "b"}), "q", render)
    assert len(calls) == 5
    assert store.path("rendered.json").stat().st_mode & 0o077 == 0


def test_editors_copies_are_no_overrides(tmp_path: Path) -> None:
    (tmp_path / "postfix").mkdir()
    for name in ("main.cf", "main.cf~", ".main.cf.swp"):
        (tmp_path / "postfix" / name).write_text(name)
    assert overrides(tmp_path) == {"postfix/main.cf": "main.cf"}
    assert overrides(tmp_path / "nowhere") == {}
