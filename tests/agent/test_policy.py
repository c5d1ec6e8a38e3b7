"""The ownership law over whole headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.agent.policy import Headers, check_envelope, check_headers


class Kim:
    """Owns two addresses."""

    def __str__(self) -> str:
        return "Login kim@snorl.ax"

    def owns(self, address: str) -> bool:
        return address in ("kim@snorl.ax", "k@snorl.ax")

    def advice(self, address: str) -> str:
        return f"Not {address}"


def headers(*fields: tuple[str, str]) -> Headers:
    found = Headers()
    for name, value in fields:
        found.add(name.encode(), value.encode())
    return found


def verdict(*fields: tuple[str, str]) -> str:
    return str(check_headers(Kim(), headers(*fields)) or "")


def test_own_addresses_pass_in_every_place_and_case() -> None:
    assert not check_envelope(Kim(), "")
    assert not check_envelope(Kim(), "KIM@snorl.ax")
    assert not verdict(("From", "Kim <Kim@Snorl.AX>"))
    assert not verdict(("FROM", "kim@snorl.ax, k@snorl.ax"), ("Sender", "k@snorl.ax"))
    assert not verdict(("From", '"kim@snorl.ax" <k@snorl.ax>'), ("Resent-From", "kim@snorl.ax"))
    assert not verdict(("Reply-To", "ceo@bank.example"), ("From", "k@snorl.ax"), ("Subject", "ceo@x.org"))


@pytest.mark.parametrize("name", ["From", "from", "Sender", "Resent-From", "RESENT-SENDER"])
def test_an_address_of_somebody_else_is_refused_by_name(name: str) -> None:
    fields = [(name, "Ceo <ceo@bank.example>")]
    if name.lower() != "from":
        fields.append(("From", "kim@snorl.ax"))
    text = verdict(*fields)
    assert text.startswith("550 5.7.1 ")
    assert "ceo@bank.example" in text
    assert "Login kim@snorl.ax" in text


def test_the_envelope_sender_is_refused_with_553() -> None:
    assert str(check_envelope(Kim(), "ceo@bank.example")).startswith("553 5.7.1 Login kim@snorl.ax may not")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Subject", "no author")],
        [("From", "kim@snorl.ax"), ("From", "kim@snorl.ax")],
        [("From", "kim@snorl.ax"), ("fRoM", "ceo@bank.example")],
        [("From", "kim@snorl.ax, ceo@bank.example")],
        [("From", "ceo@bank.example, kim@snorl.ax")],
        [("From", '"ceo@bank.example" <kim@snorl.ax>')],
        [("From", "kim@snorl.ax"), ("Sender", "k@snorl.ax"), ("Sender", "k@snorl.ax")],
        [("From", "kim@snorl.ax"), ("Resent-From", "k@snorl.ax"), ("Resent-From", "ceo@bank.example")],
        [("From", "kim@snorl.ax"), ("Sender", "group: ceo@bank.example;")],
        [("From", "kim@snorl.ax"), ("Subject", "x\rFrom: ceo@bank.example")],
        [("From", "kim@snorl.ax"), ("Fr\x01om", "ceo@bank.example")],
        [("From", "kim@snorl.ax"), ("Fr\u00e4om", "ceo@bank.example")],
        [("From", "kim@snorl.ax")] + [("Resent-From", "k@snorl.ax")] * 50,
        [("From", "kim@snorl.ax")] + [("Resent-From", "k@snorl.ax" + " " * 15_000)] * 10,
    ],
)
def test_strange_sets_of_headers_are_refused(fields: list[tuple[str, str]]) -> None:
    assert verdict(*fields).startswith("550 5.7.1 ")


def test_a_name_with_blanks_before_the_colon_counts() -> None:
    assert verdict(("From ", "ceo@bank.example"))
    assert not verdict(("From \t", "kim@snorl.ax"))


@given(
    st.lists(
        st.tuples(st.sampled_from(["From", "Sender", "Resent-From", "X"]), st.text(max_size=80)), max_size=4
    )
)
def test_the_answer_is_always_one_printable_line(fields: list[tuple[str, str]]) -> None:
    text = verdict(*[(name, value.encode("utf-8", "replace").decode()) for name, value in fields])
    assert text.isascii()
    assert text == "" or text.isprintable()
    assert len(text) < 500
    assert "%" not in text


@given(st.binary(max_size=40), st.binary(max_size=200))
def test_any_header_is_taken(name: bytes, value: bytes) -> None:
    found = Headers()
    found.add(name, value)
    found.domains()
    check_headers(Kim(), found)


@pytest.mark.parametrize(
    "address", ["\u212aim@snorl.ax", "kim@\u017fnorl.ax", "k\u0131m@snorl.ax", "k\u00edm@snorl.ax"]
)
def test_an_address_beyond_ascii_is_nobodys(address: str) -> None:
    """.lower() makes a k of the Kelvin sign."""
    assert check_envelope(Kim(), address)
    assert verdict(("From", f"Kim <{address}>"))
