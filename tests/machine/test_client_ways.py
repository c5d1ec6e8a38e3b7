"""How mail programs connect, as protocol scripts (docs/clients.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.machine.server import Server
from tests.machine.talk import SCRIPTS, play

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_program_s_way(server: Server, script: Path) -> None:
    assert play(server, script) > 30
