"""The same logins, ours and those at smart hosts, where the directory is PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server
from tests.machine.test_logins import (  # noqa: F401 - they run here, on another server
    test_a_frozen_account_loses_nothing,
    test_a_hash_of_before_is_made_anew_at_the_login,
    test_an_app_password_lives_until_it_is_revoked,
    test_each_mechanism_has_a_credential_of_its_own,
    test_nobody_gets_around_it,
)
from tests.machine.test_relay import (  # noqa: F401 - it runs here, on another server
    scene,
    test_a_login_of_the_directory_is_in_force_at_once,
)

from posthouse.lab import Network

pytestmark = [pytest.mark.machine, pytest.mark.full]
GROUNDS = (
    GroundCase("bookworm", "systemd", None),
    GroundCase("trixie", "other", None),
    GroundCase("trixie", "systemd", 101),
)


@pytest.fixture(scope="module", params=GROUNDS, ids=lambda ground: f"postgresql-{ground.name}")
def server(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A mail server whose directory is PostgreSQL."""
    ground: GroundCase = request.param
    machine = make_machine(net, ground, f"logins-{ground.name}", archive)
    publish(net, machine)
    where = unpack(machine, archive)
    up = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER]
    up += ["--directory", "postgresql", "--never-ban", "198.18.0.0/15", "--password-stdin", "--yes"]
    machine.run(up, input=PASSWORD + "\n", timeout=1800)
    yield Server(machine, net)
    machine.destroy()
