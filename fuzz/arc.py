"""Headers of strangers' mail with seals, as `posthouse.arc` reads, verifies and seals them anew."""

from __future__ import annotations

import base64
import re

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from fuzz.run import Target
from posthouse.arc import chain, seal
from posthouse.arc.canonical import BodyHash, Field
from posthouse.arc.record import Key, parse

_PRIVATE = rsa.generate_private_key(65537, 1024)
_WAY = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
_SEALER = seal.Sealer("mx.one.example", "one.example", "s", lambda digest: _PRIVATE.sign(digest, *_WAY))
_BODY = b"Hello.  \r\n\r\n"
_PLAIN: list[Field] = [
    (b"From", b" ann@one.example"),
    (b"Subject", b" a\r\n\tb"),
    (b"DKIM-Signature", b" v=1; a=rsa-sha256; b=AAAA"),
]


def _digest(made: BodyHash) -> bytes:
    for octet in _BODY:
        made.update(bytes([octet]))
    return made.digest()


def _judged(fields: list[Field]) -> tuple[chain.Chain, seal.Status]:
    found = chain.read(fields)
    if not found.number and not found.broken:
        return found, "none"
    try:
        keys: dict[tuple[str, str], Key | str] = dict.fromkeys(found.keys, Key(_PRIVATE.public_key()))
        chain.verify(found, fields, _digest(found.hash) if found.hash else b"", keys)
    except chain.Broken:
        return found, "fail"
    return found, "pass"


def _sealed(fields: list[Field], results: str = "dmarc=pass") -> list[Field]:
    found, status = _judged(fields)
    body = _digest(BodyHash(is_relaxed=True))
    added = seal.sealed(_SEALER, fields, body, found, status, results, 1_700_000_000)
    return [*reversed(added), *fields]


def feed_headers(data: bytes) -> None:
    """Read a header, say what its chain is worth, and seal it: what is sealed as whole is found to be."""
    lines = re.split(rb"\r\n(?![ \t])", data)
    fields: list[Field] = [(name, value) for name, _, value in (line.partition(b":") for line in lines)]
    _, status = _judged(fields)
    try:
        after = _sealed(fields, data[:200].decode("utf-8", "replace"))
    except seal.NotSealed:
        assert status != "pass" or sum(name.lower() == b"arc-seal" for name, _ in fields) >= chain.MOST
        return
    found, again = _judged(after)
    has_author = any(name.strip().lower() == b"from" for name, _ in fields)
    assert again == ("fail" if status == "fail" else "pass") or not has_author, (status, again)
    assert found.ended == (status == "fail")


def feed_record(data: bytes) -> None:
    """Read what DNS says of a key, and verify with it."""
    found = parse(data.split(b"\0"))
    if isinstance(found, Key):
        assert not found.verifies(data, b"x" * 32)


def _text(fields: list[Field]) -> bytes:
    return b"\r\n".join(name + b":" + value for name, value in fields)


_ONCE = _sealed(_PLAIN)
SEALS = Target(
    "seals",
    feed_headers,
    (_text(_PLAIN), _text(_ONCE), _text(_sealed(_ONCE)), _text(_sealed(_sealed(_ONCE)))),
    (
        *(b"\r\nARC-Seal: ", b"\r\nARC-Message-Signature: ", b"\r\nARC-Authentication-Results: ", b"\r\n\t"),
        *(
            b"i=1;",
            b"i=2;",
            b"i=50;",
            b"i=51;",
            b" i = 1 ;",
            b"cv=none;",
            b"cv=pass;",
            b"cv=fail;",
            b"h=from;",
        ),
        *(
            b"c=simple/simple;",
            b"c=relaxed;",
            b"l=0;",
            b"l=9999999999;",
            b"b=;",
            b"bh=;",
            b"d=;",
            b"s=;",
            b";;",
        ),
    ),
)
_PUBLIC = base64.b64encode(
    _PRIVATE.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
)
RECORDS = Target(
    "seal-keys",
    feed_record,
    (
        b"v=DKIM1; k=rsa; p=" + _PUBLIC,
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC=",
        b"k=rsa; h=sha256; s=email; p=",
        b"a\0b",
    ),
    (b"v=DKIM1;", b"k=ed25519;", b"h=sha1:sha256;", b"s=*;", b"p=", b"MII", b"=", b"\xff", b"\0"),
)
