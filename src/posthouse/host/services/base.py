"""What a service manager can do, and how a service stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posthouse.errors import PosthouseError
from posthouse.host.services import ready
from posthouse.resources import Service


@dataclass(frozen=True)
class ServiceState:
    """How a service stands: running now, started at boot, and the manager's word where it failed."""

    running: bool
    enabled: bool
    failed: str | None = None


STOPPED = ServiceState(running=False, enabled=False)


class ServiceFailed(PosthouseError):
    """A service did not do what it was told; the message quotes the last lines of its own log."""


class ServiceManager(ABC):
    """Start, stop and observe services. Every method that acts raises ServiceFailed where it fails."""

    @abstractmethod
    def states(self, services: Sequence[Service]) -> Mapping[str, ServiceState]:
        """Return how each service stands, by name, in one query; one that nobody knows is stopped."""

    @abstractmethod
    def configure(self) -> None:
        """Make the manager read its own configuration again; start the manager where it is ours to start."""

    @abstractmethod
    def start(self, service: Service) -> None:
        """Start a service; one that runs is left alone."""

    @abstractmethod
    def stop(self, service: Service) -> None:
        """Stop a service and everything that it started; one that is stopped or unknown is fine."""

    @abstractmethod
    def restart(self, service: Service) -> None:
        """Stop a service and start it; one that is stopped is started."""

    @abstractmethod
    def reload(self, service: Service) -> None:
        """Let a service read its files again without an interruption; restart it where it cannot."""

    @abstractmethod
    def enable(self, service: Service) -> None:
        """Have a service started at boot."""

    @abstractmethod
    def disable(self, service: Service) -> None:
        """Have a service no longer started at boot."""

    @abstractmethod
    def quiet(self, units: Sequence[str]) -> None:
        """Stop and disable units that packages brought and that must not run; unknown ones are fine."""

    @abstractmethod
    def last_words(self, service: Service, lines: int = 15) -> str:
        """Return the last lines of a service's log, empty where there is none."""

    def shut_down(self) -> None:  # noqa: B027 - nothing to do where the manager is the machine's own
        """End the manager itself, where it is ours: for `down`, when every service is stopped."""

    def wait_ready(self, service: Service, timeout: float = 60.0) -> None:
        """Return when everything that a service promises in `ready` answers.

        Args:
            service: one that was started.
            timeout: seconds to wait at most.

        Raises:
            ServiceFailed: it ended, or something did not answer in time.
        """

        problem = ready.wait(service.ready, timeout, lambda: self.standing(service))
        if problem is not None:
            raise self.failure(service, f"did not become ready: {problem}")

    @abstractmethod
    def standing(self, service: Service) -> tuple[ready.Standing, str]:
        """Return whether a service that was started is up, still coming or ended, and a word on it."""

    def failure(self, service: Service, what: str) -> ServiceFailed:
        """Return the error of a service, with the last lines of its log."""
        quoted = "".join(f"\n    {line}" for line in self.last_words(service).splitlines())
        message = f"the service {service.name} {what}"
        return ServiceFailed(message + (f"; its log ends with{quoted}" if quoted else ""))
