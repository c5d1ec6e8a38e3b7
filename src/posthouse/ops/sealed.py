"""Secrets for a place that others than root may read: sealed with a key that only root has (AES-256-GCM)."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files

KEY = paths.RELAY / "key"
_NONCE = 12  # bytes (NIST SP 800-38D section 8.2.1)


def seal(secret: str, bound: str, key: Path = KEY) -> str:
    """Seal a secret. `bound`: what it is for; it opens for nothing else. OSError, PosthouseError: the key."""
    if not key.exists():
        key.parent.mkdir(mode=0o700, exist_ok=True)
        files.write_atomic(key, base64.b64encode(AESGCM.generate_key(256)) + b"\n", mode=0o600)
    nonce = secrets.token_bytes(_NONCE)
    made = AESGCM(_read(key)).encrypt(nonce, secret.encode(), bound.encode())
    return base64.b64encode(nonce + made).decode()


def opened(text: str, bound: str, key: Path = KEY) -> str:
    """Open what `seal` made. PosthouseError where this machine's key does not open it, or it was changed."""
    try:
        raw = base64.b64decode(text, validate=True)
        return AESGCM(_read(key)).decrypt(raw[:_NONCE], raw[_NONCE:], bound.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise PosthouseError(f"{key}: it does not open what was sealed", "Set the secret anew.") from error


def _read(key: Path) -> bytes:
    try:
        return base64.b64decode(key.read_bytes().strip(), validate=True)
    except (OSError, ValueError) as error:
        raise PosthouseError(f"{key}: the key cannot be read: {error}", "Set the secret anew.") from error
