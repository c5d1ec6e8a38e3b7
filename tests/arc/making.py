"""A message with seals, made as hosts on its way would make them, and dkimpy to judge it."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

import dkim
from posthouse.arc import chain, seal
from posthouse.arc.canonical import BodyHash, Field
from posthouse.arc.record import Key, Name, parse

BODY = b"Hello,\r\n\r\na  text\twith   spaces. \r\n\r\n\r\n"
FIELDS: list[Field] = [
    (b"Received", b" from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000"),
    (b"From", b" Ann <ann@honest.example>"),
    (b"To", b" kim@snorl.ax"),
    (b"Subject", b" a  subject\r\n\t of two lines"),
    (b"Date", b" Mon, 1 Jan 2024 00:00:00 +0000"),
]


@functools.cache
def private(domain: str, bits: int = 1024) -> rsa.RSAPrivateKey:
    """The key of a domain, the same each time."""
    return rsa.generate_private_key(65537, bits)


def record(domain: str) -> bytes:
    """What DNS says of it."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    public = private(domain).public_key().public_bytes(*form)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def sealer(domain: str) -> seal.Sealer:
    """A host of a domain, with its key at selector `s`."""
    way = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    return seal.Sealer(f"mx.{domain}", domain, "s", lambda digest: private(domain).sign(digest, *way))


def digest(body: bytes) -> bytes:
    """Of a body in its relaxed form."""
    made = BodyHash(is_relaxed=True)
    made.update(body)
    return made.digest()


def keys(found: chain.Chain) -> dict[Name, Key | str]:
    """All keys that a chain names."""
    return {name: parse([record(name[1])]) for name in found.keys}


def status(
    fields: list[Field],
    body: bytes = BODY,
    ask: Callable[[chain.Chain], dict[Name, Key | str]] | None = None,
) -> tuple[chain.Chain, seal.Status, str]:
    """What a host finds of the chain that came to it, and why; `ask` has the keys, else all are ours."""
    found = chain.read(fields)
    if not found.number and not found.broken:
        return found, "none", ""
    try:
        made = b""
        if found.hash is not None:
            found.hash.update(body)
            made = found.hash.digest()
        chain.verify(found, fields, made, (ask or keys)(found))
    except chain.Broken as error:
        return found, "fail", str(error)
    return found, "pass", ""


def through(fields: list[Field], domain: str, body: bytes = BODY, results: str = "dmarc=pass") -> list[Field]:
    """The fields after a host has sealed them."""
    found, cv, _ = status(fields, body)
    added = seal.sealed(sealer(domain), fields, digest(body), found, cv, results, 1_700_000_000)
    return [*reversed(added), *fields]


def parts(content: bytes) -> tuple[list[Field], bytes]:
    """The fields and the body of a message."""
    head, _, body = content.partition(b"\r\n\r\n")
    found = (line.partition(b":") for line in re.split(rb"\r\n(?![ \t])", head))
    return [(name, value) for name, _, value in found], body


def message(fields: list[Field], body: bytes = BODY) -> bytes:
    """The message as it stands."""
    return b"".join(name + b":" + value + b"\r\n" for name, value in fields) + b"\r\n" + body


def judged(fields: list[Field], body: bytes = BODY) -> str | None:
    """What dkimpy finds of the chain: pass, fail, none; None where it was sealed as broken before."""

    def texts(name: bytes, timeout: int = 5) -> bytes:
        return record(name.decode().rstrip(".").partition("._domainkey.")[2])

    found, _, _ = dkim.arc_verify(message(fields, body), dnsfunc=texts)
    return None if found is None else found.decode()


def sha256(data: bytes) -> bytes:
    """Its hash."""
    return hashlib.sha256(data).digest()
