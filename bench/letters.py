"""Honest letters of a domain that does all it should: SPF, DMARC, and a DKIM signature on every one."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DOMAIN = "sender.example"
SENDER = f"ann@{DOMAIN}"
CLIENT = f"client.{DOMAIN}"
_SELECTOR = "bench"
_TEXT = ("The quick brown fox jumps over the lazy dog, and nobody minds.\r\n" * 60).encode()


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Domain:
    """The sender's domain, its mail leaving from `address`."""

    address: str
    key: rsa.RSAPrivateKey = field(default_factory=_key)

    def zone(self) -> list[str]:
        """Its records, as lines of a master file."""
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        text = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
        parts = " ".join(f'"{text[n : n + 200]}"' for n in range(0, len(text), 200))
        return [
            f"{DOMAIN}. 300 IN MX 10 {CLIENT}.",
            f'{DOMAIN}. 300 IN TXT "v=spf1 ip4:{self.address} -all"',
            f"{CLIENT}. 300 IN A {self.address}",
            f"{_SELECTOR}._domainkey.{DOMAIN}. 300 IN TXT {parts}",
            f'_dmarc.{DOMAIN}. 300 IN TXT "v=DMARC1; p=reject"',
        ]

    def letter(self, number: int, mark: str, to: str) -> bytes:
        """A signed message of about 5 KiB, no two alike; its lines end with CRLF (RFC 6376, simple/simple)."""
        head = [
            f"From: Ann <{SENDER}>",
            f"To: {to}",
            f"Subject: {mark} {number}",
            time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
            f"Message-ID: <{mark}.{number}.{time.time_ns()}@{DOMAIN}>",
        ]
        body = f"{number} times {mark}:\r\n".encode() + _TEXT
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        names = ":".join(line.partition(":")[0].lower() for line in head)
        own = f"DKIM-Signature: v=1; a=rsa-sha256; d={DOMAIN}; s={_SELECTOR}; h={names}; bh={digest}; b="
        signed = "\r\n".join([*head, own]).encode()
        signature = base64.b64encode(self.key.sign(signed, padding.PKCS1v15(), SHA256())).decode()
        rest = ["MIME-Version: 1.0", "Content-Type: text/plain; charset=us-ascii", "", ""]
        return "\r\n".join([own + signature, *head, *rest]).encode() + body
