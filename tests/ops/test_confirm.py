"""How long an unconfirmed apply has, by clocks that are set."""

from __future__ import annotations

import pytest

from posthouse.host.clock import Now, now
from posthouse.ops import confirm

DAY = 86_400.0
BEGUN = Now(1_700_000_000.0, 5_000.0, "one")
DATA = confirm._ending(3, 600.0, BEGUN)


@pytest.mark.parametrize("jump", [0.0, DAY, -DAY, 365 * DAY, -365 * DAY])
def test_a_clock_that_is_set_changes_nothing(jump: float) -> None:
    assert confirm.left(DATA, Now(BEGUN.wall + jump + 60, BEGUN.up + 60, "one")) == 540
    assert confirm.left(DATA, Now(BEGUN.wall + jump + 601, BEGUN.up + 601, "one")) < 0


@pytest.mark.parametrize(
    ("jump", "remains"), [(60.0, 540.0), (DAY, 600 - DAY), (-DAY, 600.0), (-365 * DAY, 600.0)]
)
def test_after_a_boot_nobody_waits_longer_than_was_asked(jump: float, remains: float) -> None:
    assert confirm.left(DATA, Now(BEGUN.wall + jump, 20.0, "two")) == remains


def test_what_an_earlier_release_wrote_is_understood() -> None:
    assert confirm.left({"back_to": 3, "deadline": BEGUN.wall + 10}, BEGUN) == 10


def test_the_real_clock_counts_on() -> None:
    before, after = now(), now()
    assert before.boot == after.boot
    assert before.up <= after.up
