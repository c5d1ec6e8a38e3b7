"""The client's side of SCRAM-SHA-256 without channel binding (RFC 5802, 7677), by hand: smtplib has none."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import smtplib


def login(client: smtplib.SMTP, user: str, password: str) -> int:
    """Log in by SCRAM-SHA-256, check the server's proof too, and return the reply's code."""
    bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
    code, answer = client.docmd("AUTH", "SCRAM-SHA-256 " + _b64(f"n,,{bare}"))
    if code != 334:
        return code
    challenge = base64.b64decode(answer).decode()
    nonce, salt, count = re.fullmatch(r"r=([^,]+),s=([^,]+),i=(\d+)", challenge).groups()  # type: ignore[union-attr]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(count))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without = f"c=biws,r={nonce}"
    signed = f"{bare},{challenge},{without}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    code, answer = client.docmd(_b64(f"{without},p={proof}"))
    if code != 334:
        return code
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    assert base64.b64decode(answer) == b"v=" + base64.b64encode(server)
    return client.docmd("")[0]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
