"""What the engine asks of a machine: the protocol between it and `host`.

`posthouse.engine.live.LiveMachine` is the machine itself; the tests use a scratch folder with a
trivial service manager. Files are not in it: the engine writes below `root` through `host.swap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from posthouse.resources import Group, Package, Service, User

Note = Callable[[str], None]


class UnitState(Protocol):
    """How a service stands: running now, started at boot, and what it said if it failed."""

    @property
    def running(self) -> bool: ...  # noqa: D102
    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def failed(self) -> str | None: ...  # noqa: D102


class Completed(Protocol):
    """The end of a program."""

    @property
    def returncode(self) -> int: ...  # noqa: D102
    @property
    def stdout(self) -> str: ...  # noqa: D102
    @property
    def stderr(self) -> str: ...  # noqa: D102


class Machine(Protocol):
    """The hands of the engine; every method raises a PosthouseError that says what failed and why."""

    @property
    def root(self) -> Path:
        """Folder that stands for `/`: every managed path is below it."""

    def installed(self, names: Sequence[str]) -> Mapping[str, str | None]:
        """Return each package's installed version, or None."""

    def install(self, packages: Sequence[Package], note: Note) -> None:
        """Install what is missing, without starting anything."""

    def lacking(self, groups: Sequence[Group], users: Sequence[User]) -> Mapping[str, str]:
        """Return what is wrong with each group and user ("group x", "user x"), only where something is."""

    def ensure_group(self, group: Group) -> None:
        """Make the group."""

    def ensure_user(self, user: User) -> None:
        """Make the user, and its memberships."""

    def states(self, services: Sequence[Service]) -> Mapping[str, UnitState]:
        """Return how each service stands, by name, in one query."""

    def configure(self) -> None:
        """Make the service manager read its configuration again."""

    def start(self, service: Service) -> None: ...  # noqa: D102
    def stop(self, service: Service) -> None: ...  # noqa: D102
    def restart(self, service: Service) -> None: ...  # noqa: D102
    def reload(self, service: Service) -> None: ...  # noqa: D102
    def enable(self, service: Service) -> None: ...  # noqa: D102
    def disable(self, service: Service) -> None: ...  # noqa: D102

    def wait_ready(self, service: Service, timeout: float) -> None:
        """Return when all that the service promises answers; PosthouseError after `timeout` seconds."""

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> Completed:
        """Run a program with live paths (checkers, derived files), whatever its exit status."""
