"""What a certificate authority sends: its directory, certbot's report of its errors, and a chain."""

from __future__ import annotations

import io
import os
import ssl
import tempfile
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fuzz.run import Target
from posthouse.errors import PosthouseError
from posthouse.tls import pair
from posthouse.tls.acme import authority, order

_NAMES = ("mail.snorl.ax", "imap.snorl.ax")
_LOG = Path(tempfile.gettempdir()) / f"posthouse-fuzz-{os.getpid()}.log"
_CONTEXT = ssl.create_default_context()  # reading all authorities anew takes a while
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))  # what it signs is the same each time
_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.snorl.ax")])
_CHAIN = (
    x509.CertificateBuilder()
    .subject_name(_NAME)
    .issuer_name(_NAME)
    .public_key(_KEY.public_key())
    .serial_number(1)
    .not_valid_before(datetime(2026, 1, 1))
    .not_valid_after(datetime(2036, 1, 1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("mail.snorl.ax")]), critical=False)
    .sign(_KEY, None)
    .public_bytes(serialization.Encoding.PEM)
)
_PRIVATE = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
_DIRECTORY = (
    b'{"newNonce": "https://a.example/n", "newOrder": "https://a.example/o",'
    b' "meta": {"caaIdentities": ["a.example"]}}'
)
_SAID = b"""\
Certbot failed to authenticate some domains (authenticator: standalone). The Certificate Authority reported:
  Domain: imap.snorl.ax
  Type:   connection
  Detail: Get "http://imap.snorl.ax/.well-known/acme-challenge/x": connection refused

Hint: The Certificate Authority failed to download the challenge files.

Some challenges have failed.
"""
_FAILED = (
    b"An unexpected error occurred:\nError creating new order :: too many certificates already issued\n"
    b"Ask for help\n"
)
_LOGGED = (
    b'{"type": "urn:ietf:params:acme:error:badNonce", "detail": "JWS has an invalid anti-replay nonce"}\n'
)


def feed(data: bytes) -> None:
    """Give the bytes to each reader in turn, whatever they were meant for."""
    answered = mock.patch.object(urllib.request, "urlopen", return_value=io.BytesIO(data))
    with answered, mock.patch.object(ssl, "create_default_context", return_value=_CONTEXT):
        try:
            for name in authority.identities("https://a.example/dir", None):
                _line(name)
        except PosthouseError as error:
            _line(error.message)
    text = data.decode(errors="replace")
    _line(order._reason(text))
    for name, why in order._blamed(text, _NAMES).items():
        assert name in _NAMES
        _line(why)
    _LOG.write_bytes(data)
    _line(order._kind(_LOG))
    try:
        found = pair.parse(data, _PRIVATE)
        pair.judge(found, _NAMES[:1], datetime.now(UTC))
    except PosthouseError as error:
        _short(error.message)


def _short(text: str) -> None:
    assert len(text) < 2_000


def _line(text: str) -> None:
    assert text.isprintable(), text
    assert len(text) <= 600, text


ERRORS = Target(
    "acme-errors",
    feed,
    (_DIRECTORY, _SAID, _FAILED, _LOGGED, _CHAIN),
    (
        *(
            b'"meta"',
            b'"caaIdentities"',
            b'"newOrder"',
            b"[[[[[[[[",
            b'{"a":',
            b"1e999",
            b"\\ud800",
            b"Detail: ",
        ),
        *(
            b"\n  Domain: ",
            b"Identifier: ",
            b"mail.snorl.ax",
            b"urn:ietf:params:acme:error:",
            b"-----BEGIN CERTIFICATE-----",
        ),
    ),
)
