"""The reader of author headers: plain forms are read, everything else is refused, nothing breaks it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.agent.addresses import MAX_HEADER, Unclear, read

PLAIN = {
    "user@snorl.ax": "user@snorl.ax",
    "<user@snorl.ax>": "user@snorl.ax",
    "User <User@Snorl.AX>": "User@Snorl.AX",
    '"Doe, Kim" <kim@snorl.ax>': "kim@snorl.ax",
    "Kim Q. Doe <kim@snorl.ax>": "kim@snorl.ax",
    "root@snorl.ax (Cron Daemon)": "root@snorl.ax",
    "(a (nested) \\) comment) Kim (x) <kim@snorl.ax> (y)": "kim@snorl.ax",
    "=?utf-8?Q?K=C3=ADm?= <kim@snorl.ax>": "kim@snorl.ax",
    "=?ISO-8859-1*en?Q?K=EDm?= <kim@snorl.ax>": "kim@snorl.ax",
    "Kím Dœ <kim@snorl.ax>": "kim@snorl.ax",
    "Kim\n Doe\n\t<kim@snorl.ax>": "kim@snorl.ax",
    '"" <kim+tag@snorl.ax>': "kim+tag@snorl.ax",
    '"Kim @ Work" <kim@snorl.ax>': "kim@snorl.ax",
    "Kim (@kim) <kim@snorl.ax>": "kim@snorl.ax",
    "o'kim=x@sub.snorl.ax": "o'kim=x@sub.snorl.ax",
}


@pytest.mark.parametrize("text", PLAIN)
def test_plain_forms_are_read(text: str) -> None:
    (box,) = read(text.encode())
    assert box.address == PLAIN[text]
    assert box.seen() == []


def test_several_addresses_are_all_read() -> None:
    boxes = read(b'a@x.org, "B, b" <b@x.org> , <c@x.org> (c, d)')
    assert [box.address for box in boxes] == ["a@x.org", "b@x.org", "c@x.org"]


STRANGE = [
    "",
    " ",
    ",",
    "user",
    "user@snorl.ax,",
    ",user@snorl.ax",
    "user@snorl.ax,,kim@snorl.ax",
    "Kim kim@snorl.ax",
    "kim@snorl.ax Kim",
    "ceo@bank.example <kim@snorl.ax>",
    "<ceo@bank.example> <kim@snorl.ax>",
    "<kim@snorl.ax> ceo@bank.example",
    "<kim@snorl.ax>; <ceo@bank.example>",
    "Group: kim@snorl.ax;",
    "undisclosed:;",
    "<@a.org,@b.org:kim@snorl.ax>",
    "<kim@snorl.ax",
    "kim@snorl.ax>",
    "<<kim@snorl.ax>>",
    "<>",
    '"kim"@snorl.ax',
    '"a@b" "c"@snorl.ax',
    "kim @snorl.ax",
    "kim@ snorl.ax",
    "kim(comment)@snorl.ax",
    "<kim@snorl.ax(comment)>",
    "kim@[127.0.0.1]",
    "kim@snorl.ax.",
    ".kim@snorl.ax",
    "kim..doe@snorl.ax",
    "kim@-snorl.ax",
    "kim@@snorl.ax",
    "a@b@snorl.ax",
    "kim@snorl.ax\\",
    '"unclosed <kim@snorl.ax>',
    "(unclosed <kim@snorl.ax>",
    "Kim [x] <kim@snorl.ax>",
    "Kim: <kim@snorl.ax>",
    "Kim; <kim@snorl.ax>",
    "=?utf-8?Q?ceo=40bank.example?=@snorl.ax",
    "kim+=?utf-8?Q?x?=@snorl.ax",
    "=?nonsense?Q?x?= <kim@snorl.ax>",
    "=?utf-8?X?x?= <kim@snorl.ax>",
    "=?utf-8?B?!?= <kim@snorl.ax>",
    "=?utf-8?Q?ceo=40bank.example=00?= <kim@snorl.ax>",
    "=?utf-8?Q?a=0Ab?= <kim@snorl.ax>",
    "=?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?= <kim@snorl.ax>",
    "=?utf-8?Q?ceo=40bank.example?x?= <kim@snorl.ax>",
    "\u202eKim <kim@snorl.ax>",
    "kim@snorl.ax\x00",
    "kim@snorl.ax\rFrom: ceo@bank.example",
    "kim@snorl.ax\nFrom: ceo@bank.example",
    "kím@snorl.ax",
    "kim@snörl.ax",
]


@pytest.mark.parametrize("text", STRANGE)
def test_what_programs_read_differently_is_refused(text: str) -> None:
    with pytest.raises(Unclear):
        read(text.encode())


def test_bytes_that_are_no_text_and_endless_headers_are_refused() -> None:
    with pytest.raises(Unclear):
        read(b"K\xedm <kim@snorl.ax>")
    with pytest.raises(Unclear):
        read(b"a" * MAX_HEADER + b"@snorl.ax")


HIDDEN = [
    '"ceo@bank.example" <kim@snorl.ax>',
    "kim@snorl.ax (ceo@bank.example)",
    "=?utf-8?Q?ceo=40bank.example?= <kim@snorl.ax>",
    "=?utf-8?B?" + base64.b64encode(b"ceo@bank.example").decode() + "?= <kim@snorl.ax>",
    "=?utf-8?Q?ceo=40?= =?utf-8?Q?bank.example?= <kim@snorl.ax>",
    '"=?utf-8?Q?ceo=40bank.example?=" <kim@snorl.ax>',
    "=?utf-7?Q?ceo+AEA-bank.example?= <kim@snorl.ax>",
    "\N{FULLWIDTH LATIN SMALL LETTER C}eo\N{FULLWIDTH COMMERCIAL AT}bank.example <kim@snorl.ax>",
    '"ceo\N{ZERO WIDTH SPACE}@\N{ZERO WIDTH JOINER}bank.example" <kim@snorl.ax>',
    '"<ceo@bank.example>" <kim@snorl.ax>',
    '"Ceo (ceo@bank.example)," <kim@snorl.ax>',
]


@pytest.mark.parametrize("text", HIDDEN)
def test_an_address_in_what_is_shown_is_seen(text: str) -> None:
    (box,) = read(text.encode())
    assert box.address == "kim@snorl.ax"
    assert box.seen() == ["ceo@bank.example"]


@pytest.mark.parametrize(
    "shown",
    ['"ceo @bank.example"', '"ceo@ bank.example"', '"ceo@" "bank.example"', '"ceo\\"@\\"bank.example"'],
)
def test_an_address_that_is_spread_out_is_refused(shown: str) -> None:
    with pytest.raises(Unclear):
        [seen for box in read(f"{shown} <kim@snorl.ax>".encode()) for seen in box.seen()]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_unclear(value: bytes) -> None:
    try:
        boxes = read(value)
        for box in boxes:
            box.seen()
    except Unclear:
        return
    assert boxes


@given(st.text(alphabet='<>@,;:()"\\[] \t\nab.=?Q-utf8', max_size=60))
def test_every_address_read_stands_in_the_header(text: str) -> None:
    try:
        boxes = read(text.encode())
    except Unclear:
        return
    for box in boxes:
        assert box.address in text
    # nothing outside quotes and comments has an address that was not read
    assert text.count("@") >= len(boxes)


@given(
    st.lists(
        st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?@[a-z]{1,8}\.[a-z]{2,3}", fullmatch=True),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_plainly_is_read_back(addresses: list[str]) -> None:
    header = ", ".join(f"Name {number} <{address}>" for number, address in enumerate(addresses))
    assert [box.address for box in read(header.encode())] == addresses
