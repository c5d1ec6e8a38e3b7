"""What is beyond the bounds is seen however it is cut into pieces; what is not beyond them is left alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.machine import bombs

from posthouse import bounds
from posthouse.gate.structure import Structure


def reason(content: bytes, size: int = 65_535) -> str | None:
    """Hand a message over as Postfix does, its body in pieces of that size."""
    head, _, body = content.partition(b"\r\n\r\n")
    structure = Structure()
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = line.partition(b":")
        structure.field(name, value)
    structure.header_ends()
    for at in range(0, len(body) if structure.has_parts else 0, size):
        if structure.beyond is None:
            structure.body(body[at : at + size])
    return structure.beyond


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(bombs.parts("x", bounds.PARTS - 1), None, id="as many parts as may be"),
        pytest.param(bombs.parts("x", bounds.PARTS), "more than 1000 parts", id="one more"),
        pytest.param(bombs.nested("x", bounds.DEPTH - 1), None, id="as deep as may be"),
        pytest.param(bombs.nested("x", bounds.DEPTH), "more than 30 deep", id="deeper"),
        pytest.param(bombs.letters("x", bounds.DEPTH - 1), None, id="as many letters in letters"),
        pytest.param(bombs.letters("x", bounds.DEPTH), "more than 30 deep", id="one letter more"),
        pytest.param(bombs.fields("x", 900), None, id="many fields"),
        pytest.param(bombs.fields("x", 1000), "more than 1000 fields", id="too many fields"),
        pytest.param(bombs.one_field("x", 600_000), "more than 524288 bytes", id="one field"),
        pytest.param(bombs.lines("x", 100_000), None, id="lines"),
        pytest.param(bombs.text("x", 100_000).replace(b"the ", b"--b "), None, id="no boundary"),
    ],
)
@pytest.mark.parametrize("size", [7, 1000, 65_535])
def test_bounds(content: bytes, expected: str | None, size: int) -> None:
    found = reason(content, size)
    assert (found is None) if expected is None else (found or "").endswith(expected), found


@pytest.mark.parametrize(
    "kind",
    [
        'multipart/mixed; boundary="b"',
        "MULTIPART/related; charset=x; BOUNDARY=b",
        'multipart/mixed;\n\tboundary = "\\b"',
        "multipart/mixed; boundary=b; boundary=c",
    ],
)
def test_a_boundary_is_found_however_it_is_written(kind: str) -> None:
    content = bombs.header("x", kind.replace("\n", "\r\n")) + b"--b\r\n\r\nx\r\n" * 2000
    assert reason(content) == "more than 1000 parts"


def test_parts_beside_each_other_are_not_deep() -> None:
    inner = b'--b\r\nContent-Type: multipart/mixed; boundary="c"\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n'
    assert reason(bombs.header("x", 'multipart/mixed; boundary="b"') + inner * 300 + b"--b--\r\n") is None


@given(st.binary(max_size=2000), st.integers(1, 100))
def test_nothing_breaks_it(body: bytes, size: int) -> None:
    whole = bombs.header("x", 'multipart/mixed; boundary="b"') + b"--b\r\n" + body
    assert reason(whole, size) == reason(whole)
