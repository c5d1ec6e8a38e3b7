"""What the tests of the stack share: one site, and the four platforms."""

from __future__ import annotations

import pytest

from posthouse.site.model import Site
from posthouse.site.release import Ground, Release

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")
PLATFORMS = {
    f"debian{debian}-{manager}": (Release(debian), Ground(manager))
    for debian in (12, 13)
    for manager in ("systemd", "supervisor")
}


@pytest.fixture
def site() -> Site:
    return SITE


@pytest.fixture(params=PLATFORMS, ids=str)
def platform(request: pytest.FixtureRequest) -> tuple[str, Release, Ground]:
    release, ground = PLATFORMS[request.param]
    return request.param, release, ground


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite-golden"))
