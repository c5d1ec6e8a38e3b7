"""Addresses and domains: the normal form, or what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.directory import addresses
from posthouse.errors import UsageError


def test_the_normal_form() -> None:
    assert addresses.account("User.Name_1-x@SNORL.ax") == "user.name_1-x@snorl.ax"
    assert addresses.alias("@Snorl.AX") == "@snorl.ax"
    assert addresses.alias("a+b@snorl.ax") == "a+b@snorl.ax"
    assert addresses.target("bounce+a=b.example@list.example") == "bounce+a=b.example@list.example"
    assert addresses.account("a@bücher.example") == "a@xn--bcher-kva.example"
    assert addresses.base("a+b+c@d.example") == "a@d.example"
    assert addresses.base("+b@d.example") == "+b@d.example"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://snorl.ax/", "snorl.ax"),
        ("snorl ax", "space"),
        ("snorl.ax.", "snorl.ax"),
        ("snorl", "dot"),
        ("", "empty"),
        ("10.0.0.1", "IP"),
        ("a_b.example", "underscore"),
        ("x.localhost", "itself"),
        ("x" * 64 + ".example", "63"),
        ("user@snorl.ax", "address"),
    ],
)
def test_what_is_no_domain(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        addresses.domain(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@",
        "a@",
        "@snorl.ax",
        "a b@snorl.ax",
        "a@b@snorl.ax",
        ".a@snorl.ax",
        "a.@snorl.ax",
        "a..b@snorl.ax",
        "../a@snorl.ax",
        "a/b@snorl.ax",
        "'a'@snorl.ax",
        '"a b"@snorl.ax',
        "a%b@snorl.ax",
        "a!b@snorl.ax",
        "-a@snorl.ax",
        "a\n@snorl.ax",
        "a@snorl.ax\n",
        "a\0@snorl.ax",
        "é@snorl.ax",
        "\u212a@snorl.ax",
        "a+b@snorl.ax",
        "a" * 65 + "@snorl.ax",
    ],
)
def test_what_is_no_account(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        addresses.account(text)
    assert caught.value.hint


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Z0-9.@+_-]{0,30}", fullmatch=True))
def test_parsing_twice_changes_nothing(text: str) -> None:
    for parse in (addresses.account, addresses.alias, addresses.target, addresses.domain):
        try:
            normal = parse(text)
        except UsageError:
            continue
        assert parse(normal) == normal
        assert normal.isascii()
        assert normal == normal.lower()
        assert not set(normal) & set(" \t\r\n\0'\"%!|/\\,:;<>()[]$`{}")
