"""Services under whatever starts them on this machine: one interface, systemd or supervisor behind it."""

from posthouse.host.services.base import ServiceFailed, ServiceManager, ServiceState
from posthouse.site.release import Ground

__all__ = ["ServiceFailed", "ServiceManager", "ServiceState", "manager"]


def manager(ground: Ground) -> ServiceManager:
    """Return the service manager of this machine."""
    if ground.manager == "systemd":
        from posthouse.host.services.systemd import Systemd

        return Systemd()
    from posthouse.host.services.supervisor import Supervisor

    return Supervisor()
