"""The machine itself as the engine's hands: `host`, behind the engine's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from posthouse.engine.machine import Note, UnitState
from posthouse.host import accounts, packages
from posthouse.host.run import Completed, run
from posthouse.host.services import ServiceManager, manager
from posthouse.resources import Group, Package, Service, User
from posthouse.site.release import Ground


class LiveMachine:
    """This machine. Errors are those of `host`."""

    root = Path("/")

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    @cached_property
    def _services(self) -> ServiceManager:
        return manager(self.ground)

    def installed(self, names: Sequence[str]) -> Mapping[str, str | None]:
        """Return installed versions, from dpkg's own file."""
        return packages.installed(names)

    def install(self, wanted: Sequence[Package], note: Note) -> None:
        """Install by apt, with every daemon kept from starting."""
        packages.install(wanted, note)

    def lacking(self, groups: Sequence[Group], users: Sequence[User]) -> Mapping[str, str]:
        """Compare with the group and user databases."""
        lacks: dict[str, str] = {}
        gids = accounts.groups([group.name for group in groups])
        for group in groups:
            gid = gids[group.name]
            if gid is None:
                lacks[f"group {group.name}"] = "it is not there"
            elif group.gid is not None and gid != group.gid:
                lacks[f"group {group.name}"] = f"its gid is {gid}, should be {group.gid}"
        there = accounts.users([user.name for user in users])
        for user in users:
            state = there[user.name]
            if state is None:
                lacks[f"user {user.name}"] = "it is not there"
                continue
            missing = [name for name in user.groups if name not in state.groups and name != state.group]
            if missing:
                lacks[f"user {user.name}"] = f"it is not in {', '.join(missing)}"
            elif user.create and user.uid is not None and state.uid != user.uid:
                lacks[f"user {user.name}"] = f"its uid is {state.uid}, should be {user.uid}"
        return lacks

    def ensure_group(self, group: Group) -> None:
        """Make the group."""
        accounts.ensure_group(group)

    def ensure_user(self, user: User) -> None:
        """Make the user, and add its memberships."""
        accounts.ensure_user(user)

    def states(self, services: Sequence[Service]) -> Mapping[str, UnitState]:
        """Ask the service manager once."""
        return self._services.states(services)

    def configure(self) -> None:
        """Have the service manager read its files again."""
        self._services.configure()

    def start(self, service: Service) -> None:
        """Start it."""
        self._services.start(service)

    def stop(self, service: Service) -> None:
        """Stop it."""
        self._services.stop(service)

    def restart(self, service: Service) -> None:
        """Restart it."""
        self._services.restart(service)

    def reload(self, service: Service) -> None:
        """Reload it."""
        self._services.reload(service)

    def enable(self, service: Service) -> None:
        """Have it started at boot."""
        self._services.enable(service)

    def disable(self, service: Service) -> None:
        """Have it not started at boot."""
        self._services.disable(service)

    def wait_ready(self, service: Service, timeout: float) -> None:
        """Return when it answers."""
        self._services.wait_ready(service, timeout)

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> Completed:
        """Run a program, whatever its exit status."""
        return run(argv, env=env, check=False, timeout=120)
