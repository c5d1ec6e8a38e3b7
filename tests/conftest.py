"""Options of the whole test run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# No property fails for being slow: the machine may be busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full, for the whole matrix of machines, and --rewrite-golden."""
    parser.addoption("--full", action="store_true", help="run the whole matrix of machines")
    parser.addoption("--rewrite-golden", action="store_true", help="accept the rendered configuration")
