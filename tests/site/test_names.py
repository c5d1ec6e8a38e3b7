"""Names as operators write them: accepted and made canonical, or refused with what to write instead."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.site import names


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("snorl.ax", "snorl.ax"),
        ("Mail.Snorl.AX", "mail.snorl.ax"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a." * 100 + "example", "a." * 100 + "example"),
        ("3com.example", "3com.example"),
    ],
)
def test_a_good_name_becomes_canonical(written: str, canonical: str) -> None:
    assert names.dns_name(written) == canonical


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "empty"),
        ("https://snorl.ax/", "write 'snorl.ax'"),
        ("snorl ax", "space"),
        (" snorl.ax", "write 'snorl.ax'"),
        ("snorl.ax\n", "write 'snorl.ax'"),
        ("snorl", "no dot"),
        ("snorl.ax.", "write 'snorl.ax'"),
        ("snorl_x.ax", "underscore"),
        ("kim@snorl.ax", "write 'snorl.ax'"),
        ("snorl.ax:25", "write 'snorl.ax'"),
        ("snorl.ax/mail", "write 'snorl.ax'"),
        ("snorl..ax", "two dots"),
        (".snorl.ax", "dot"),
        ("-snorl.ax", "hyphens"),
        ("snorl-.ax", "hyphens"),
        ("192.0.2.1", "IP address"),
        ("x" * 64 + ".ax", "at most 63"),
        ("a." * 127 + "ax", "at most 253"),
        ("straße.example", "IDNA"),
        ("snorl.ax'; DROP", "space"),
        ("$(id).ax", "letters"),
        ("a\x00b.ax", "control"),
    ],
)
def test_a_bad_name_says_what_to_write(written: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        names.dns_name(written)


@given(st.text(max_size=80))
def test_any_text_is_canonical_or_refused(text: str) -> None:
    try:
        name = names.dns_name(text)
    except ValueError:
        return
    assert names.dns_name(name) == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


@pytest.mark.parametrize(
    ("written", "is_bytes"),
    [(7, 7), ("7", 7), ("50 MiB", 50 << 20), ("50M", 50 << 20), ("50 MB", 50_000_000), ("2GiB", 2 << 30)],
)
def test_sizes(written: int | str, is_bytes: int) -> None:
    assert names.size(written) == is_bytes


@pytest.mark.parametrize("written", ["", "lots", "5 XB", "-1", "1.5 GiB", "5 iB", "9" * 99])
def test_bad_sizes_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        names.size(written)


@pytest.mark.parametrize(
    "written",
    [
        "kim",
        "@snorl.ax",
        "kim@",
        "a b@snorl.ax",
        ".kim@snorl.ax",
        "k" * 65 + "@x.ax",
        "o'kim@x.ax",
        "|id@x.ax",
    ],
)
def test_bad_addresses_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"address|before the @|empty"):
        names.address(written)


def test_an_address_becomes_canonical() -> None:
    assert names.address("Kim@BÜCHER.example") == "kim@xn--bcher-kva.example"
