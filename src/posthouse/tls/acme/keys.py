"""The key that every certificate of the authority is for, and the one that comes next, where a change is under way."""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.host import files
from posthouse.tls import self_signed

CURRENT = paths.ACME / "key.pem"
NEXT = paths.ACME / "next.pem"


def current() -> bytes:
    """Return the key, made where there is none. OSError, PosthouseError."""
    return _ensure(CURRENT)


def next_() -> bytes | None:
    """Return the key that comes next; None where no change is under way. OSError."""
    return NEXT.read_bytes() if NEXT.is_file() else None


def begin() -> bytes:
    """Make the key that comes next, where there is none yet, and return it. OSError, PosthouseError."""
    return _ensure(NEXT)


def switch() -> None:
    """The next one is in use: it is the key from now on. OSError."""
    if NEXT.is_file():
        NEXT.replace(CURRENT)


def pin(key: bytes) -> str:
    """Return SHA-256 of the public key in hexadecimal digits (TLSA "3 1 1", RFC 6698 section 2.1)."""
    import hashlib

    from cryptography.hazmat.primitives import serialization

    public = serialization.load_pem_private_key(key, None).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def _ensure(path: Path) -> bytes:
    if not path.is_file():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(path, self_signed.private_bytes(self_signed.make_key()), mode=0o600)
    return path.read_bytes()
