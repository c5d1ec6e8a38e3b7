"""What systemd's answers mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.host.services import systemd


@pytest.mark.parametrize(
    ("state", "link", "expected"),
    [
        ("enabled", "", True),
        ("disabled", "", False),
        ("generated", "rc3.d/S01saslauthd", True),
        ("generated", "rc3.d/K01saslauthd", False),
        ("generated", "rc3.d/S01saslauthd-other", False),
        ("generated", "rc0.d/S01saslauthd", False),
    ],
)
def test_a_script_of_init_d_is_enabled_by_its_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, link: str, expected: bool
) -> None:
    """Else each plan would disable it once more."""
    monkeypatch.setattr(systemd, "_RUN_LEVELS", tmp_path)
    if link:
        (tmp_path / link).parent.mkdir()
        (tmp_path / link).touch()
    assert systemd._is_enabled(state, "saslauthd.service") == expected
