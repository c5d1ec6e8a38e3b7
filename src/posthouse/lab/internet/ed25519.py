"""What dkimpy asks of PyNaCl to verify ed25519 signatures (RFC 8463), given it by `cryptography`, which is here anyhow.

dkimpy's own work stays its own: the headers, the hashes, the record.
"""

from __future__ import annotations

import base64
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import dkim


class _Bad(Exception):
    """A signature that does not hold."""


class _VerifyKey:
    def __init__(self, key: bytes, encoder: object) -> None:  # noqa: ARG002
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise where the signature does not hold."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature as error:
            raise _Bad from error


def install() -> None:
    """Let dkimpy verify ed25519 from here on."""
    dkim.nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=_VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(ValueError=ValueError, BadSignatureError=_Bad),
    )
