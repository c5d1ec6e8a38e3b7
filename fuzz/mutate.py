"""Bytes changed at random: flipped, cut, repeated, joined with others, and with words of the language in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

LONGEST = 40_000  # bytes: more than any bound of ours
_NUMBERS = (b"0", b"-1", b"255", b"65536", b"4294967296", b"9" * 30)
_ODD = (
    b"\x00",
    b"\r\n",
    b"\n",
    b"\xff",
    b"\xc0\x80",
    b"\xe2\x80\xae",
    b"\x1b[31m",
    b"%",
    b"<",
    b"&",
    b"]]>",
    b'"',
    b";",
)


def mutated(source: random.Random, seed: bytes, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return a seed changed once to eight times."""
    data = bytearray(seed)
    for _ in range(1 << source.randrange(4)):
        source.choice(_WAYS)(source, data, others, words)
    return bytes(data[:LONGEST])


Way = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def _at(source: random.Random, data: bytearray) -> tuple[int, int]:
    """A piece of the data, mostly a short one."""
    start = source.randrange(len(data) + 1)
    return start, min(len(data), start + int(source.expovariate(0.15)))


def _flip(source: random.Random, data: bytearray, *_: Sequence[bytes]) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _byte(source: random.Random, data: bytearray, *_: Sequence[bytes]) -> None:
    if data:
        data[source.randrange(len(data))] = source.randrange(256)


def _cut(source: random.Random, data: bytearray, *_: Sequence[bytes]) -> None:
    start, end = _at(source, data)
    del data[start:end]


def _end(source: random.Random, data: bytearray, *_: Sequence[bytes]) -> None:
    del data[source.randrange(len(data) + 1) :]


def _repeat(source: random.Random, data: bytearray, *_: Sequence[bytes]) -> None:
    start, end = _at(source, data)
    times = source.choice((1, 2, 10, 100, 2000))
    data[start:start] = (data[start:end] * times)[:LONGEST]


def _join(source: random.Random, data: bytearray, others: Sequence[bytes], words: Sequence[bytes]) -> None:
    other = bytearray(source.choice(others))
    start, end = _at(source, other)
    data[slice(*_at(source, data))] = other[start : source.choice((end, len(other)))]


def _word(source: random.Random, data: bytearray, others: Sequence[bytes], words: Sequence[bytes]) -> None:
    start, end = _at(source, data)
    data[start : source.choice((start, end))] = source.choice((*words, *_NUMBERS, *_ODD))


def _insert(source: random.Random, data: bytearray, *_: Sequence[bytes]) -> None:
    start = source.randrange(len(data) + 1)
    data[start:start] = source.randbytes(source.randrange(1, 9))


_WAYS: tuple[Way, ...] = (_flip, _byte, _cut, _end, _repeat, _join, _word, _word, _insert)
