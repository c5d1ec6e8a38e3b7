"""Imports go one way: no file, and no package, needs itself again by way of others."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCE.rglob("*.py")
}


def imported(path: Path) -> Iterator[str]:
    """Yield the files that a file takes something from, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{one.name}" for one in node.names}
            yield from names & FILES.keys() or {node.module} & FILES.keys()


def package(name: str) -> str:
    """Return the folder below `posthouse`, or the file itself."""
    return ".".join(name.split(".")[:2])


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return one circle; nothing where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


ARROWS = {name: set(imported(path)) - {name} for name, path in FILES.items()}


def test_no_file_needs_itself_by_way_of_others() -> None:
    assert circle(ARROWS) == []


def test_no_package_needs_itself_by_way_of_others() -> None:
    graph: dict[str, set[str]] = {}
    for name, targets in ARROWS.items():
        graph.setdefault(package(name), set()).update(map(package, targets))
    for name, targets in graph.items():
        targets.discard(name)
    assert circle(graph) == []


@pytest.mark.parametrize("name", ["posthouse.site", "posthouse.stack", "posthouse.host", "posthouse.engine"])
def test_what_is_below_knows_nothing_of_what_is_above(name: str) -> None:
    above = {"posthouse.cli", "posthouse.ops", "posthouse.agent", "posthouse.watch", "posthouse.gate"}
    found = {
        arrow for file, arrows in ARROWS.items() if package(file) == name for arrow in map(package, arrows)
    }
    assert not found & above
