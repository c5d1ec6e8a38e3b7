"""MD5's state after one block (RFC 1321), which hashlib does not show: what {CRAM-MD5} stores of a password."""

from __future__ import annotations

import math
import struct

_SHIFTS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_SINES = tuple(int(abs(math.sin(step + 1)) * 2**32) for step in range(64))
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_ALL = 0xFFFFFFFF


def state_after(block: bytes) -> tuple[int, int, int, int]:
    """Return the four words of the state after the first block, of 64 bytes."""
    words = struct.unpack("<16I", block)
    a, b, c, d = _START
    for step in range(64):
        kind = step // 16
        if kind == 0:
            mixed, index = (b & c) | (~b & d), step
        elif kind == 1:
            mixed, index = (d & b) | (~d & c), (5 * step + 1) % 16
        elif kind == 2:
            mixed, index = b ^ c ^ d, (3 * step + 5) % 16
        else:
            mixed, index = c ^ (b | ~d & _ALL), 7 * step % 16
        total = (a + mixed + _SINES[step] + words[index]) & _ALL
        shift = _SHIFTS[kind][step % 4]
        turned = ((total << shift) | (total >> (32 - shift))) & _ALL
        a, b, c, d = d, (b + turned) & _ALL, b, c
    return tuple((old + new) & _ALL for old, new in zip(_START, (a, b, c, d), strict=True))  # type: ignore[return-value]
