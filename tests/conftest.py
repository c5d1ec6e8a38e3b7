"""Options of the whole test run."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests import postgresql
from xdist.scheduler.loadscope import LoadScopeScheduling

# No property fails for being slow: the machine may be busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


# A run in the background of a shell without job control ignores SIGINT, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full, for the whole matrix of machines, --ground, and --rewrite-golden."""
    parser.addoption("--full", action="store_true", help="run the whole matrix of machines")
    parser.addoption("--ground", metavar="NAME", help="run on this ground alone, whichever a test asks for")
    parser.addoption("--rewrite-golden", action="store_true", help="accept the rendered configuration")


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgresql.Cluster]:
    """A PostgreSQL cluster with an empty directory in database `mails`."""
    with postgresql.cluster() as made:
        yield made


class _ByMachine(LoadScopeScheduling):
    """All tests of one ground, and else those of one file, in order in one process: they share a machine."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        ground = re.search(r"1[23]-(systemd|supervisor)-(clean|policy|disk|classic)", test)
        return ground[0] if ground else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Hand tests out by machine."""
    return _ByMachine(config, log)
