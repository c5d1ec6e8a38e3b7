"""The whole stack put together. A new daemon is a new folder and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from posthouse import paths
from posthouse.errors import UsageError
from posthouse.resources import Blueprint
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release
from posthouse.stack import (
    agent,
    apt,
    certificate,
    clock,
    dovecot,
    learning,
    postfix,
    postgresql,
    purge,
    redis,
    rspamd,
    supervisor,
    unbound,
)
from posthouse.stack.daemon import Wanted

# in the order in which they start
DAEMONS = (postgresql, agent, unbound, redis, rspamd, dovecot, postfix, purge, clock)
GROUND = (apt, certificate, learning)  # what no daemon reads

OVERRIDES = ("postfix/main.cf", "postfix/master.cf", "dovecot/local.conf", "unbound/local.conf")


def _refuse_unknown(overrides: Mapping[str, str]) -> None:
    for name in sorted(overrides):
        if name not in OVERRIDES and not name.startswith("rspamd/local.d/"):
            known = ", ".join((*OVERRIDES, "rspamd/local.d/NAME"))
            raise UsageError(f"{paths.OVERRIDES / name}: no program reads this", f"Known are: {known}.")


def assemble(site: Site, release: Release, ground: Ground, overrides: Mapping[str, str]) -> Blueprint:
    """Everything that the machine must have for this site: a pure function of its arguments.

    Raises:
        UsageError: an override can't be read, or has a name that nothing reads.
    """
    _refuse_unknown(overrides)
    wanted = Wanted(site, release, ground, overrides)
    whole = Blueprint()
    for daemon in (*DAEMONS, *GROUND):
        whole += daemon.blueprint(wanted)
    whole += Blueprint(quiet_units=tuple(site.earlier.quiet_units))
    if wanted.supervised:
        whole += Blueprint(files=(supervisor.render(whole.services),))
    return whole
