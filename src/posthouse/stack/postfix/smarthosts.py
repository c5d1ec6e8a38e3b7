"""The site's smart hosts as Postfix knows them: a transport of its own for each, so that no login is ever shown to
another host (smtp(8), `smtp_sasl_password_maps`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from posthouse import paths
from posthouse.site.model import Site
from posthouse.site.relay import Relay, Route, Smarthost


@dataclass(frozen=True)
class Transport:
    """A smart host, and the service of master.cf that speaks to it."""

    service: str
    host: Smarthost

    @property
    def hop(self) -> str:
        """Where the service connects, without asking for an MX; also the key of its login."""
        return f"[{self.host.server}]:{self.host.port}"

    @property
    def what(self) -> str:
        """Which mail goes this way, in words."""
        if not isinstance(self.host, Route):
            return "all mail"
        return f"mail from {self.host.from_}" if self.host.from_ else f"mail to {self.host.to}"

    @property
    def names(self) -> tuple[str, ...]:
        """By which the directory may have its login: that of a route's domain comes before the smart host's."""
        assert self.host.server is not None
        domain = (self.host.from_ or self.host.to) if isinstance(self.host, Route) else None
        return (*([domain] if domain else []), self.host.server)

    @property
    def transport(self) -> str:
        """What a transport table says (transport(5))."""
        return f"{self.service}:{self.hop}"

    @property
    def logins(self) -> Path | None:
        """The map of its one login; None where it wants none. Named by all but what the password is."""
        if self.host.credentials == "directory":
            known = f"{self.hop} directory {' '.join(self.names)}"
        elif self.host.login is None:
            return None
        else:
            known = f"{self.hop} {self.host.login} {self.host.password_file}"
        return paths.RELAY / hashlib.sha256(known.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Smarthosts:
    """All of a site: for everything, by sender's domain, by recipient's domain."""

    default: Transport | None
    by_sender: tuple[tuple[str, Transport], ...]
    by_destination: tuple[tuple[str, Transport], ...]

    @property
    def all(self) -> tuple[Transport, ...]:
        """Each of them."""
        given = [transport for _, transport in (*self.by_sender, *self.by_destination)]
        return tuple([self.default] if self.default else []) + tuple(given)

    @property
    def log_in(self) -> bool:
        """Whether one of them wants a login."""
        return any(transport.logins for transport in self.all)


def of(site: Site) -> Smarthosts:
    """Return the smart hosts of a site."""
    relay: Relay = site.relay
    ways: list[tuple[Route, Transport]] = [
        (route, Transport(f"smarthost-{number}", route)) for number, route in enumerate(relay.route, 1)
    ]
    return Smarthosts(
        Transport("smarthost", relay.default) if relay.default else None,
        tuple((route.from_, transport) for route, transport in ways if route.from_),
        tuple((route.to, transport) for route, transport in ways if route.to),
    )
