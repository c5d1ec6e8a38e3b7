"""One network for all tests of the lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from posthouse import lab
from posthouse.lab import Machine, Network

KINDS = [("bookworm", "systemd"), ("bookworm", "other"), ("trixie", "systemd"), ("trixie", "other")]


@pytest.fixture(scope="session")
def lab_net() -> Iterator[Network]:
    """A network, or a skip with the reason why there can be none."""
    if reason := lab.available():
        pytest.skip(reason)
    with Network("lab-tests") as net:
        yield net


@pytest.fixture(scope="session", params=KINDS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Suite and PID 1."""
    return request.param


@pytest.fixture(scope="session")
def any_machine(lab_net: Network, kind: tuple[str, str]) -> Iterator[Machine]:
    """A bare machine of each kind."""
    suite, pid1 = kind
    machine = lab_net.machine(f"{suite}-{pid1}", suite, pid1, hostname="mail.snorl.ax")
    yield machine
    machine.destroy()


@pytest.fixture(scope="session")
def machine(lab_net: Network) -> Iterator[Machine]:
    """A bare machine where the kind does not matter."""
    machine = lab_net.machine("one", "trixie")
    yield machine
    machine.destroy()
