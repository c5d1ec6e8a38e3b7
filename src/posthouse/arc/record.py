"""The public key of a seal, as DNS has it (RFC 6376 section 3.6.1), and what it verifies."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Name = tuple[str, str]  # selector and domain
LEAST, MOST = 1024, 8192  # bits: RFC 8301 section 3.2, and what costs no time


@dataclass(frozen=True)
class Key:
    """An RSA key."""

    public: RSAPublicKey

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Tell whether it made a signature of a SHA-256 digest."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, utils

        try:
            self.public.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def parse(texts: Sequence[bytes]) -> Key | str:
    """The key in the TXT records at its name; where there is none, why."""
    if len(texts) != 1:
        return "no key in DNS" if not texts else "more than one key in DNS"
    tags: dict[str, str] = {}
    for part in texts[0].decode("utf-8", "replace").split(";"):
        name, _, value = part.partition("=")
        tags[name.strip()] = value.strip()
    if tags.get("v", "DKIM1") != "DKIM1" or tags.get("k", "rsa") != "rsa":
        return "no RSA key in DNS"
    allowed = {one.strip() for one in tags.get("h", "sha256").split(":")}
    services = {one.strip() for one in tags.get("s", "*").split(":")}
    if "sha256" not in allowed or not services & {"*", "email"}:
        return "its key is for something else"
    text = "".join(tags.get("p", "").split())
    return _rsa(text) if text else "its key was withdrawn"


def _rsa(text: str) -> Key | str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        public = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "its key in DNS cannot be read"
    if not isinstance(public, rsa.RSAPublicKey) or not LEAST <= public.key_size <= MOST:
        return f"its key is no RSA key of {LEAST} to {MOST} bits"
    return Key(public)
