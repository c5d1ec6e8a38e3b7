"""The line of a key: for any document that tomlkit writes, every key is found on the line where it stands."""

import tomllib
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from posthouse.site.positions import positions

keys = st.text(max_size=6)
scalars = (
    st.text(max_size=12)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.datetimes()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(keys, values, max_size=5)


def every_path(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= every_path(inner, (*path, key))
    return found


@given(documents)
def test_every_key_of_any_document_has_a_line(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    found = positions(text)
    assert set(found) == every_path(tomllib.loads(text))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_the_line_is_the_right_one(gaps: list[int], end: str) -> None:
    lines: list[str] = []
    expected = {}
    for number, gap in enumerate(gaps):
        lines += ["# k0 = 1", "", '   # """'][:gap]
        lines.append(f'k{number} = ["]", """a' if number % 2 else f"k{number}.x = '=' # [")
        expected[(f"k{number}",)] = len(lines)
        if number % 2:
            lines.append('k = 1""", {y = 1}]')
    found = positions(end.join(lines))
    assert {path: line for path, line in found.items() if len(path) == 1} == expected


def test_tables_in_arrays() -> None:
    text = "[[a]]\nx = 1\n[[a]]\ny = 2\n[a.b]\nz = 3\n[c.d]\n'quo.ted' = 1"
    found = positions(text)
    assert found["a", 0, "x"] == 2
    assert found["a", 1, "y"] == 4
    assert found["a", 1, "b", "z"] == 6
    assert found["c",] == 7
    assert found["c", "d", "quo.ted"] == 8
