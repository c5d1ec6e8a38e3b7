"""What `status` says of a key's change, from the files alone."""

from __future__ import annotations

import pytest

from posthouse.dkim import keys
from posthouse.dkim.rotation import Retired, Rotation
from posthouse.ops import dkim_status

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("rotation", "state", "words"),
    [
        (Rotation("202612"), "warning", "waits for its record"),
        (Rotation("202612", NOW - 1, NOW + DAY), "pending", "signs from 2027-01-16 08:00 UTC on"),
        (Rotation("202612", NOW - DAY, NOW - 1), "pending", "next daily run"),
        (Rotation(retired=(Retired("202611", NOW + DAY),)), "pending", "202611 stays until 2027-01-16"),
        (Rotation(retired=(Retired("202611", NOW - DAY),)), "warning", "nobody needs the record"),
    ],
)
def test_each_stage_is_said(
    monkeypatch: pytest.MonkeyPatch, rotation: Rotation, state: str, words: str
) -> None:
    monkeypatch.setattr(keys, "one", lambda *_: None)
    ((found, detail, mend),) = dkim_status.look("snorl.ax", rotation, NOW, by_update=False)
    assert found == state
    assert words in detail
    assert mend == "posthouse dkim rotate snorl.ax" or "stays until" in words
    (line,) = dkim_status.look("snorl.ax", rotation, NOW, by_update=True)
    assert line[0] == "pending"
