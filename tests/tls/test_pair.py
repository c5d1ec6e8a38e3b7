"""A pair is judged before anybody sees it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tls import making

from posthouse.errors import PosthouseError
from posthouse.tls import pair

HOST = "mail.snorl.ax"
NOW = datetime.now(UTC)


def test_what_a_pair_says() -> None:
    found = pair.parse(*making.pair(HOST, "imap.snorl.ax"))
    assert found.names == (HOST, "imap.snorl.ax")
    assert found.issuer == "CN=Test Root"
    assert not found.self_signed
    assert len(found.pin) == len(found.digest) == 64
    pair.judge(found, [HOST, "imap.snorl.ax"], NOW)
    with pytest.raises(PosthouseError, match=r"not for pop\.snorl\.ax"):
        pair.judge(found, [HOST, "pop.snorl.ax"], NOW)


def test_a_wildcard_is_for_one_label() -> None:
    found = pair.parse(*making.pair("*.snorl.ax"))
    assert found.covers(HOST)
    assert not found.covers("snorl.ax")
    assert not found.covers("a.b.snorl.ax")


def test_the_times() -> None:
    found = pair.parse(*making.pair(HOST))
    with pytest.raises(PosthouseError, match="expired"):
        pair.judge(found, [HOST], NOW + timedelta(days=91))
    with pytest.raises(PosthouseError, match="counts from"):
        pair.judge(found, [HOST], NOW - timedelta(days=2))


def test_a_chain_out_of_order_is_told() -> None:
    root, middle = making.Root("Root"), making.Root("Middle")
    private = making.key()
    leaf = middle.sign(private.public_key(), HOST, (HOST,))
    between = root.sign(middle.private.public_key(), "Middle")
    pair.parse(making.pem(leaf, between, root.certificate), making.key_pem(private))
    with pytest.raises(PosthouseError, match="certificate 1 is not signed by certificate 2"):
        pair.parse(making.pem(leaf, root.certificate, between), making.key_pem(private))
    with pytest.raises(PosthouseError, match="is not the key"):
        pair.parse(making.pem(between, leaf), making.key_pem(private))


def test_what_is_no_pair() -> None:
    chain, key = making.pair(HOST)
    with pytest.raises(PosthouseError, match="is not the key"):
        pair.parse(chain, making.pair(HOST)[1])
    with pytest.raises(PosthouseError, match="expected certificates"):
        pair.parse(key, key)
    with pytest.raises(PosthouseError, match="expected a key"):
        pair.parse(chain, chain)


@given(st.binary(max_size=200), st.integers(0, 2000), st.integers(0, 255))
def test_no_bytes_raise_anything_else(junk: bytes, at: int, byte: int) -> None:
    chain, key = _KNOWN
    for damaged in (junk, chain[:at], chain[:at] + bytes([byte]) + chain[at + 1 :]):
        with suppress(PosthouseError):
            pair.parse(damaged, key)


_KNOWN = making.pair(HOST)
