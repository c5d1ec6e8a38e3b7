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

from tests.tls import making

from fuzz.run import Target
from posthouse.errors import PosthouseError
from posthouse.tls import pair
from posthouse.tls.acme import authority, order

_NAMES = ("mail.snorl.ax", "imap.snorl.ax")
_LOG = Path(tempfile.gettempdir()) / f"posthouse-fuzz-{os.getpid()}.log"
_CONTEXT = ssl.create_default_context()  # reading all authorities anew takes a while
_CHAIN, _PRIVATE = making.pair("mail.snorl.ax")
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
