"""What a list's answers to its test entries say of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.spam.lists import ASKED, BlockList, Said, fault, silent

ZEN = BlockList("zen.spamhaus.org")
URIBL = BlockList("multi.uribl.com")
RIGHT = ("127.0.0.2",)


@pytest.mark.parametrize(
    ("one", "said", "words"),
    [
        (ZEN, Said(RIGHT, ()), ""),
        (ZEN, Said(("127.0.0.2", "127.0.0.4", "127.0.0.10"), ()), ""),
        (ZEN, Said(None, ()), "does not answer"),
        (ZEN, Said(RIGHT, None), "does not answer"),
        (ZEN, Said((), ()), "has no test entry any more"),
        (ZEN, Said((), (), "open resolver\x1b[2J"), "refuses to answer us: open resolver?[2J"),
        (ZEN, Said(None, None, "go away"), "refuses to answer us: go away"),
        (ZEN, Said(("127.255.255.254",), ("127.255.255.254",)), "refuses to answer us"),
        (ZEN, Said(RIGHT, RIGHT), "lists everything"),
        (ZEN, Said(("192.0.2.1",), ()), "answers as no list does"),
        (URIBL, Said(("127.0.0.1",), ("127.0.0.1",)), "too many questions"),
        (URIBL, Said(("127.0.0.14",), ()), ""),
        (URIBL, Said((), ()), "has no test entry any more"),  # not listed is something else than blocked
    ],
)
def test_a_fault_is_told_in_words(one: BlockList, said: Said, words: str) -> None:
    found = fault(one, said)
    assert (words in found) if words else not found
    assert silent(one, said) == (words == "does not answer")


ADDRESSES = st.none() | st.lists(st.ip_addresses(v=4).map(str), max_size=4).map(tuple)


@given(ADDRESSES, ADDRESSES, st.text())
def test_only_what_is_right_in_both_entries_is_believed(
    listed: tuple[str, ...] | None, unlisted: tuple[str, ...] | None, words: str
) -> None:
    found = fault(ZEN, Said(listed, unlisted, words))
    assert found.isprintable()
    assert len(found) < 200
    if not found:
        assert listed
        assert unlisted == ()
        assert all(address.startswith("127.") for address in listed)


def test_every_chain_asks_some() -> None:
    for asked in ASKED.values():
        assert len({one.zone for one in asked}) == len(asked) >= 4
