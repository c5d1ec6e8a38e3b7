"""The screen of `status`: what needs the operator first, with the line to say, and nothing that moves the cursor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from posthouse.cli.status import screen
from posthouse.ops.status import Item

ITEMS = [
    Item("queue", "ok", "empty", "posthouse queue list"),
    Item("DKIM", "pending", "snorl.ax: the new key 202612 signs from 2026-12-01 04:00 UTC on"),
    Item("certificate", "warning", "SELF-SIGNED", "printf x >>file && posthouse apply"),
    Item("generation", "unknown", "for root only", "sudo posthouse status"),
    Item("services", "unknown", "for root only", "sudo posthouse status"),
    Item("rspamd", "failure", "does not run", "posthouse up"),
]


def test_what_needs_the_operator_comes_first() -> None:
    assert screen(ITEMS) == [
        "Needs you",
        "  rspamd       FAILED: does not run",
        "               > posthouse up",
        "  certificate  SELF-SIGNED",
        "               > printf x >>file && posthouse apply",
        "",
        "Could not be seen",
        "  generation   for root only",
        "  services     for root only",
        "               > sudo posthouse status",
        "",
        "Goes on by itself",
        "  DKIM         snorl.ax: the new key 202612 signs from 2026-12-01 04:00 UTC on",
        "",
        "Fine",
        "  queue        empty",
    ]


def test_a_fine_service_says_so() -> None:
    assert screen(ITEMS[:2])[-1] == "Nothing needs you."


@given(st.text(), st.text(), st.sampled_from(["ok", "pending", "warning", "failure", "unknown"]))
def test_no_foreign_character_moves_the_cursor(detail: str, mend: str, state: str) -> None:
    lines = screen([Item("queue", state, detail, mend)])  # type: ignore[arg-type]
    assert all(line.isprintable() for line in lines)
