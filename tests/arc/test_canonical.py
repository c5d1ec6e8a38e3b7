"""The forms that signatures are made over, beside dkimpy's."""

from __future__ import annotations

import random

import pytest
from dkim.canonicalization import Relaxed, Simple
from tests.arc.making import sha256

from posthouse.arc.canonical import BodyHash, chosen, relaxed, simple

PIECES = [
    b"a",
    b"word",
    b" ",
    b"   ",
    b"\t",
    b"\r\n",
    b"\r\n\r\n\r\n",
    b" \r\n",
    b"\r\r\n",
    b"\xff",
    b"x\ry",
    b"\r",
]
BODIES = [
    b"",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b" \r\n",
    b"a",
    b"a ",
    b"a\r\n",
    b"a\r\n\r\n",
    b"\r\n a",
    b"\r",
    b"a\r",
]


def hashed(body: bytes, is_relaxed: bool, chance: random.Random) -> bytes:
    """Of a body that comes in pieces."""
    made = BodyHash(is_relaxed)
    while body:
        size = chance.randint(1, 7)
        made.update(body[:size])
        body = body[size:]
    return made.digest()


def test_a_body_in_pieces_is_what_another_library_makes_of_it_whole() -> None:
    chance = random.Random(8617)
    bodies = BODIES + [b"".join(chance.choices(PIECES, k=chance.randint(1, 40))) for _ in range(3000)]
    for body in bodies:
        if body.endswith((b" ", b"\t", b"\r")):  # which dkimpy takes for a line of its own; Postfix ends each
            body += b"\n" if body.endswith(b"\r") else b"\r\n"
        assert hashed(body, True, chance) == sha256(Relaxed.canonicalize_body(body)), body
        assert hashed(body, False, chance) == sha256(Simple.canonicalize_body(body)), body


def test_a_large_body_of_nothing_is_kept_nowhere() -> None:
    for piece in (b" " * 65_000, b"\r\n" * 32_000, b" \r\n" * 20_000, b"\r" * 65_000):
        made = BodyHash(is_relaxed=True)
        for _ in range(200):
            made.update(piece)
            assert len(made._tail) <= 2
    made = BodyHash(is_relaxed=True)
    for _ in range(10):
        made.update(b"\r\n" * 32_000)
    made.update(b"end")
    assert made.digest() == sha256(b"\r\n" * 320_000 + b"end\r\n")


@pytest.mark.parametrize("length", [0, 3, 5, 6, 7, 100])
def test_only_so_much_of_a_body(length: int) -> None:
    made = BodyHash(False, length)
    for piece in (b"ab", b"c\r", b"\n", b"def"):
        made.update(piece)
    assert made.digest() == sha256(b"abc\r\ndef\r\n"[:length])


def test_fields() -> None:
    field = (b"SUBJect ", b" a \t b\r\n\t c \r\n")
    assert relaxed(field) == b"subject:a b c"
    assert simple((b"X", b" a\r\n b")) == b"X: a\r\n b"
    fields = [(b"A", b"1"), (b"B", b"2"), (b"a", b"3")]
    assert [value for _, value in chosen(fields, [b"A", b"c", b"a", b"a", b"b"])] == [b"3", b"1", b"2"]
