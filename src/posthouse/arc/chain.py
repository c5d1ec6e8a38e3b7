"""The seals that a message came with, and whether they hold (RFC 8617 section 5.2).

Of the message signatures only the newest is verified, as the RFC wants it; older ones break by what later hosts
changed, and say no more than that. All seals are. Keys are asked for by the caller.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from posthouse.arc.canonical import BodyHash, Field, chosen, relaxed, simple
from posthouse.arc.record import Key, Name

RESULTS, SIGNATURE, SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
MOST = 50  # sets (section 4.2.1)
Tags = Mapping[bytes, bytes]

_INSTANCE = re.compile(rb"\s*i\s*=\s*(\d{1,4})\s*(?:;|$)", re.ASCII)
_NUMBER = re.compile(rb"\d{1,4}")
_LENGTH = re.compile(rb"\d{1,20}")
_SIGNED = re.compile(rb"(?:^|(?<=;))(\s*b\s*=)[^;]*")


class Broken(Exception):
    """The chain does not hold; the message says why."""


@dataclass(frozen=True)
class Set:
    """What one host added: the three fields, and what two of them say."""

    results: Field
    signature: Field
    seal: Field
    signed: Tags
    sealed: Tags

    @property
    def keys(self) -> tuple[Name, Name]:
        """The names of the keys of the signature and of the seal."""
        return _key_name(self.signed), _key_name(self.sealed)


@dataclass(frozen=True)
class Chain:
    """What a message came with: sets in their order, or why they are none (`broken`); `number` is the highest."""

    number: int = 0
    sets: tuple[Set, ...] = ()
    broken: str = ""
    ended: bool = False  # somebody sealed that it had failed: nobody adds anything (section 5.1)
    hash: BodyHash | None = field(default=None, compare=False)

    @property
    def keys(self) -> frozenset[Name]:
        """The keys that verifying takes."""
        if not self.sets:
            return frozenset()
        return frozenset({self.sets[-1].keys[0], *(one.keys[1] for one in self.sets)})


def read(fields: Sequence[Field]) -> Chain:
    """Find the sets of a message. `hash` of the chain is to be given the body."""
    found: dict[int, dict[bytes, list[Field]]] = {}
    unread = False
    for one in fields:
        name = one[0].strip().lower()
        if name not in (RESULTS, SIGNATURE, SEAL):
            continue
        number = _number(name, one[1])
        if number:
            found.setdefault(number, {}).setdefault(name, []).append(one)
        else:
            unread = True
    if not found:
        return Chain(broken="a set without a number" if unread else "")
    highest = max(found)
    ended = any(_tag(one[1], b"cv").lower() == b"fail" for one in found[highest].get(SEAL, ()))
    try:
        if unread:
            raise Broken("a set without a number")
        if highest > MOST:
            raise Broken(f"more than {MOST} sets")
        sets = tuple(_set(number, found.get(number, {})) for number in range(1, highest + 1))
        signed = sets[-1].signed
        return Chain(highest, sets, ended=ended, hash=BodyHash(*_body(signed)))
    except Broken as error:
        return Chain(highest, broken=str(error), ended=ended)


def verify(chain: Chain, fields: Sequence[Field], body: bytes, keys: Mapping[Name, Key | str]) -> None:
    """See whether a chain holds. `body`: the digest of `chain.hash`; `keys`: for each of `chain.keys` it, or why not.

    Raises:
        Broken: it does not.
    """
    if chain.broken or not chain.sets:
        raise Broken(chain.broken or "there is none")
    newest = chain.sets[-1]
    if _decoded(newest.signed[b"bh"]) != body:
        raise Broken(f"the text was changed after set {chain.number}")
    names = [name.strip().lower() for name in newest.signed[b"h"].split(b":")]
    form = relaxed if _forms(newest.signed)[0] == b"relaxed" else simple
    text = b"".join(form(one) + b"\r\n" for one in chosen(fields, names)) + form(unsigned(newest.signature))
    if not _holds(newest.signed, newest.keys[0], text, keys):
        raise Broken(f"the headers were changed after set {chain.number}")
    before = b""
    for number, one in enumerate(chain.sets, 1):
        before += relaxed(one.results) + b"\r\n" + relaxed(one.signature) + b"\r\n"
        if not _holds(one.sealed, one.keys[1], before + relaxed(unsigned(one.seal)), keys):
            raise Broken(f"seal {number} does not hold")
        before += relaxed(one.seal) + b"\r\n"


def unsigned(one: Field) -> Field:
    """A field without its signature (the value of `b=`), as it was signed."""
    return one[0], _SIGNED.sub(rb"\1", one[1])


def _holds(tags: Tags, name: Name, text: bytes, keys: Mapping[Name, Key | str]) -> bool:
    key = keys[name]
    if isinstance(key, str):
        raise Broken(f"{name[1]}: {key}")
    return key.verifies(_decoded(tags[b"b"]), hashlib.sha256(text).digest())


def _set(number: int, found: Mapping[bytes, Sequence[Field]]) -> Set:
    for name in (RESULTS, SIGNATURE, SEAL):
        if len(found.get(name, ())) != 1:
            raise Broken(f"set {number} has {len(found.get(name, ()))} {name.decode()}, not one")
    signature, seal = found[SIGNATURE][0], found[SEAL][0]
    signed = _checked(signature, (b"a", b"b", b"bh", b"d", b"h", b"s"))
    sealed = _checked(seal, (b"a", b"b", b"cv", b"d", b"s"))
    names = {name.strip().lower() for name in signed[b"h"].split(b":")}
    if SEAL in names or b"from" not in names:
        raise Broken(f"set {number} signs no author, or a seal")
    if b"h" in sealed:
        raise Broken(f"seal {number} has h=")
    if sealed[b"cv"].lower() != (b"none" if number == 1 else b"pass"):
        raise Broken(f"seal {number} says cv={sealed[b'cv'].decode('ascii', 'replace')}")
    return Set(found[RESULTS][0], signature, seal, signed, sealed)


def _checked(one: Field, needed: Sequence[bytes]) -> Tags:
    name, tags = one[0].strip().lower().decode(), _tags(one[1])
    if missing := [tag.decode() for tag in needed if tag not in tags]:
        raise Broken(f"{name} without {', '.join(missing)}")
    if tags[b"a"].lower() != b"rsa-sha256":  # the only one that RFC 8617 knows
        raise Broken(f"{name} with another algorithm than rsa-sha256")
    _decoded(tags[b"b"])
    return tags


def _body(tags: Tags) -> tuple[bool, int | None]:
    header, body = _forms(tags)
    length = tags.get(b"l")
    if {header, body} - {b"relaxed", b"simple"} or (length is not None and not _LENGTH.fullmatch(length)):
        raise Broken("arc-message-signature with an unknown c= or l=")
    return body == b"relaxed", None if length is None else int(length)


def _forms(tags: Tags) -> tuple[bytes, bytes]:
    """`c=`; where only one stands the other is `simple`, and where none does ARC's is relaxed, as others take it."""
    header, _, body = tags.get(b"c", b"relaxed/relaxed").lower().partition(b"/")
    return header.strip(), body.strip() or b"simple"


def _number(name: bytes, value: bytes) -> int:
    if name == RESULTS:
        said = _INSTANCE.match(value)
        return int(said[1]) if said else 0
    said = _NUMBER.fullmatch(_tag(value, b"i"))
    return int(said[0]) if said else 0


def _tag(value: bytes, name: bytes) -> bytes:
    return next((text for key, text in _pairs(value) if key == name), b"")


def _tags(value: bytes) -> Tags:
    pairs = list(_pairs(value))
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Broken("a tag twice")
    return found


def _pairs(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in value.split(b";"):
        name, equals, text = part.partition(b"=")
        if equals:
            yield name.strip(), text.strip()


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise Broken("a signature that is no Base64") from error


def _key_name(tags: Tags) -> Name:
    return tags[b"s"].decode("utf-8", "replace").lower(), tags[b"d"].decode("utf-8", "replace").lower()
