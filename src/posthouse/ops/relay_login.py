"""Logins at smart hosts that stand in the directory: kept, listed, taken away, in force at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from posthouse import directory, paths
from posthouse.directory import relay_logins
from posthouse.errors import UsageError
from posthouse.host import services as managers
from posthouse.ops import context, logins, readers, relaying, sealed
from posthouse.ops.alone import alone
from posthouse.site import names
from posthouse.site.model import Site
from posthouse.stack.postfix import smarthosts

Note = Callable[[str], None]


@dataclass(frozen=True)
class Listed:
    """A login, without its password. `used_for`: in words, as the site file says now."""

    name: str
    username: str
    created: str
    used_for: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As `posthouse relay login list --json` prints it."""
        return {**asdict(self), "used_for": list(self.used_for)}


def put(name: str, username: str, password: str, note: Note) -> bool:
    """Keep a login, in the place of one of before; where the running Postfix uses it (True), that has it at once.

    Raises:
        UsageError: the name, the login or the password cannot be one.
        PosthouseError: the directory, the key or Postfix's map cannot be written.
    """
    name, username = checked(name, username)
    logins.check_password(password, name)
    directory.reading(relay_logins.list)  # is there one? Before that nothing is made
    base = context.base().telling(note)
    with alone(base.engine):
        closed = sealed.seal(password, logins.bound(name, username))
        directory.writing(lambda connection: relay_logins.put(connection, name, username, closed))
        site = _applied(base)
        used = site is not None and name in _in_use(site)
        fresh = logins.ensure(site) if site is not None and used else []
        for service in readers.running(base, paths.RELAY) if fresh else ():
            managers.manager(base.ground).reload(service)
    if site is not None and fresh:
        relaying.after(site, note)
    return used


def listed(site: Site | None) -> list[Listed]:
    """Return all logins by name. PosthouseError where the directory cannot be asked."""
    used = _in_use(site) if site is not None else {}
    return [
        Listed(one.name, one.username, one.created, tuple(used.get(one.name, ())))
        for one in directory.reading(relay_logins.list)
    ]


def remove(name: str) -> None:
    """Take a login away. UsageError where there is none, or mail leaves by it."""
    name = _name(name)
    base = context.base()
    with alone(base.engine):
        site = _applied(base)
        if site is not None and (used := _in_use(site).get(name)):
            raise UsageError(
                f"{name}: its login is in use for {', '.join(used)}",
                f"Take it out of {paths.SITE_FILE}, and say: posthouse apply",
            )
        directory.writing(lambda connection: relay_logins.remove(connection, name))


def checked(name: str, username: str) -> tuple[str, str]:
    """Return both as they are kept. UsageError where one cannot be."""
    try:
        return _name(name), names.relay_login(username)
    except ValueError as error:
        raise UsageError(f"--username: {error}") from error


def _name(name: str) -> str:
    try:
        return names.dns_name(name)
    except ValueError as error:
        raise UsageError(
            f"{name!r} is no smart host's name: {error}", "Write it as in relay.host, or a route's domain."
        ) from error


def _applied(base: context.Base) -> Site | None:
    """Return the site as it was applied; None before that."""
    current = base.engine.store.state().current
    return context.current(base).site if current else None


def _in_use(site: Site) -> dict[str, list[str]]:
    """Return what mail leaves by the login of each name; a route's own comes before that of its host."""
    stored = {one.name for one in directory.reading(relay_logins.list)}
    found: dict[str, list[str]] = {}
    for transport in smarthosts.of(site).all:
        if transport.host.credentials == "directory":
            name = next((one for one in transport.names if one in stored), transport.host.server or "")
            found.setdefault(name, []).append(transport.what)
    return found
