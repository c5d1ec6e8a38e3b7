"""Texts that a regular expression of Perl matches, made by walking through it at random, and messages made of them."""

from __future__ import annotations

import base64
import quopri
import random
import re
import warnings
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

_FLAGS = re.compile(r"\(\?\^?[a-z]*(?:-[a-z]+)?\)")
_GROUP = re.compile(r"\(\?\^?[a-z]*(?:-[a-z]+)?:")
_CLASSES = {
    sre.CATEGORY_DIGIT: "0123456789",
    sre.CATEGORY_SPACE: " \t\x0b\x0c",
    sre.CATEGORY_WORD: "abcxyzABCXYZ019_",
    sre.CATEGORY_NOT_DIGIT: "ab -",
    sre.CATEGORY_NOT_SPACE: "ab9-",
    sre.CATEGORY_NOT_WORD: " -.,!",
}


def texts(pattern: str, number: int, chance: random.Random) -> list[str]:
    """So many texts that the pattern may match; none where it cannot be read.

    What it looks ahead and behind for is left out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(_GROUP.sub("(?:", _FLAGS.sub("", pattern)), re.ASCII)
    except (re.error, OverflowError):
        return []
    return ["".join(_walk(tree, chance)) for _ in range(number)]


def _walk(tree: object, chance: random.Random) -> list[str]:
    found: list[str] = []
    for kind, value in tree:  # type: ignore[attr-defined]
        if kind is sre.LITERAL:
            letter = chr(value)
            found.append(letter.swapcase() if letter.isascii() and chance.random() < 0.2 else letter)
        elif kind is sre.NOT_LITERAL:
            found.append("z" if chr(value) != "z" else "y")
        elif kind is sre.ANY:
            found.append(chance.choice("ab .\xc3"))
        elif kind is sre.IN:
            found.append(_member(value, chance))
        elif kind is sre.BRANCH:
            found += _walk(chance.choice(value[1]), chance)
        elif kind is sre.SUBPATTERN:
            found += _walk(value[-1], chance)
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = value
            for _ in range(chance.randint(least, max(least, min(most, least + 2)))):
                found += _walk(inner, chance)
    return found


def _member(choices: list[tuple[object, object]], chance: random.Random) -> str:
    if choices[0][0] is sre.NEGATE:
        taken = {value for kind, value in choices[1:] if kind is sre.LITERAL}
        return chance.choice([letter for letter in "zq7 -\xe9" if ord(letter) not in taken] or ["~"])
    kind, value = chance.choice(choices)
    if kind is sre.RANGE:
        return chr(chance.randint(*value))  # type: ignore[misc]
    if kind is sre.CATEGORY:
        return chance.choice(_CLASSES[value])
    return chr(value)  # type: ignore[call-overload, no-any-return]


def messages(found: list[bytes], number: int, chance: random.Random) -> list[bytes]:
    """So many messages of several kinds, with some of these texts in them."""
    made = []
    for _ in range(number):
        chosen = chance.sample(found, min(len(found), chance.choice((0, 5, 40, 200))))
        made.append(_message(chance.choice(_BETWEEN).join(_noisy(text, chance) for text in chosen), chance))
    return made


_BETWEEN = (b"\n", b"\n\n", b" ", b", ", b"\r\n\r\n", b"\xc2\xa0", b"\x0b\x0c", b"<br>", b"\n<p>\n")
_CHARSETS = (b"", b"us-ascii", b"utf-8", b"iso-8859-1", b"koi8-r", b"utf-16", b"windows-1252", b"nonsense")


def _noisy(text: bytes, chance: random.Random) -> bytes:
    """The text itself, or as UTF-8, between words or octets of chance."""
    if chance.random() < 0.3:
        text = text.decode("latin-1").encode()
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(40)) + text + chance.randbytes(chance.randrange(40))
    if chance.random() < 0.1:
        return text + chance.choice("äöüéß–’€Жи漢😀\u200b\xad\xa0").encode() * chance.randrange(1, 4000)
    return text


def _message(body: bytes, chance: random.Random) -> bytes:
    subject = chance.choice(
        (b"what", body[:60].replace(b"\r", b"").replace(b"\n", b" "), b"=?utf-8?B?w6TDtsO8?=")
    )
    head = (
        b"From: a@elsewhere.example\nTo: b@elsewhere.example\nSubject: " + subject + b"\nMIME-Version: 1.0\n"
    )
    if chance.random() < 0.4:
        return head + b"\n" + body + b"\n"
    parts = b"".join(b"--x\n" + _part(body, chance) + b"\n" for _ in range(chance.randrange(1, 4)))
    if chance.random() < 0.5:
        return head + _part(body, chance)
    return head + b"Content-Type: multipart/alternative; boundary=x\n\n" + parts + b"--x--\n"


def _part(body: bytes, chance: random.Random) -> bytes:
    kind, charset = chance.choice((b"text/plain", b"text/html")), chance.choice(_CHARSETS)
    if kind == b"text/html":
        body = (
            b"<html><body><div style='color:#eee'>" + body.replace(b" ", b" <b>", 3) + b"</div></body></html>"
        )
    head = b"Content-Type: " + kind + (b"; charset=" + charset if charset else b"") + b"\n"
    coding = chance.choice((b"8bit", b"base64", b"quoted-printable"))
    if coding == b"base64":
        body = base64.encodebytes(body)
    elif coding == b"quoted-printable":
        body = quopri.encodestring(body)
    return head + b"Content-Transfer-Encoding: " + coding + b"\n\n" + body + b"\n"
