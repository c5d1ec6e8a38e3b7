"""Stop the mail service: every daemon of it, and at the next boot too. Files and mail stay."""

from __future__ import annotations

from collections.abc import Callable

from posthouse.engine import journal
from posthouse.engine import target as engine_target
from posthouse.errors import PosthouseError
from posthouse.host.services import manager
from posthouse.ops import context
from posthouse.ops.alone import alone
from posthouse.resources import Service

Note = Callable[[str], None]


def down(note: Note, *, for_good: bool = True) -> list[str]:
    """Stop every service of the generation that is live, in the reverse of the order in which they start.

    Works with a broken site file, and after an apply that was killed: what that one was about to start
    is stopped as well.

    Args:
        note: told what happens.
        for_good: keep them from starting at boot, until the next `up` or `apply`.

    Returns:
        The names of the services that ran.

    Raises:
        PosthouseError: a service did not stop; the others were stopped nevertheless.
    """
    base = context.base().telling(note)
    with alone(base.engine):
        services = _services(base)
        services_of = manager(base.ground)
        running = {name for name, state in services_of.states(services).items() if state.running}
        failed: list[PosthouseError] = []
        for service in reversed(services):
            if service.name in running:
                note(f"stop {service.name}")
            try:
                services_of.stop(service)
                if for_good:
                    services_of.disable(service)
            except PosthouseError as error:
                failed.append(error)
        services_of.shut_down()
    if failed:
        raise PosthouseError("\n".join(error.message for error in failed), failed[0].hint)
    return [service.name for service in services if service.name in running]


def _services(base: context.Base) -> list[Service]:
    found = list(engine_target.before(base.engine, base.platform).blueprint.services)
    cut_off = journal.read(base.engine.store)
    if cut_off is not None:
        found += [*cut_off[0].before.services, *cut_off[0].after.services]
    return list({service.name: service for service in found}.values())
