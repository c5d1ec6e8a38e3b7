"""The whole stack put together. A new daemon is a new folder and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from posthouse import paths
from posthouse.errors import UsageError
from posthouse.resources import Blueprint
from posthouse.site.model import Filter, Site
from posthouse.site.release import Ground, Release
from posthouse.stack import (
    agent,
    apt,
    certificate,
    clock,
    cyrus,
    dovecot,
    fail2ban,
    gate,
    identity,
    learning,
    lists,
    mta_sts,
    opendkim,
    opendmarc,
    policyd_spf,
    postfix,
    postgresql,
    purge,
    redis,
    rotation,
    rspamd,
    spamassassin,
    supervisor,
    unbound,
    watch,
    web,
)
from posthouse.stack.daemon import Wanted

# in the order in which they start
# (what comes and goes stands first: supervisor counts from the end, and restarts whose number changes)
BEFORE = (web, certificate, mta_sts, cyrus, fail2ban, lists, postgresql, agent, unbound, watch)
FILTERS: dict[Filter, tuple[ModuleType, ...]] = {
    "rspamd": (redis, rspamd),
    "spamassassin": (policyd_spf, opendkim, opendmarc, spamassassin, gate),
}
AFTER = (dovecot, postfix, purge, rotation, clock)
GROUND = (identity, apt, learning)  # what no daemon reads

OVERRIDES = (
    *("postfix/main.cf", "postfix/master.cf", "dovecot/local.conf", "unbound/local.conf"),
    *(opendkim.OVERRIDE, opendmarc.OVERRIDE, spamassassin.OVERRIDE),
)


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
    for daemon in (*BEFORE, *FILTERS[site.filter], *AFTER, *GROUND):
        whole += daemon.blueprint(wanted)
    ours = {service.unit for service in whole.services}
    # What an earlier server left must be quiet, unless it has a place in ours.
    whole += Blueprint(quiet_units=tuple(unit for unit in site.earlier.quiet_units if unit not in ours))
    if wanted.supervised:
        whole += Blueprint(files=(supervisor.render(whole.services),))
    return whole
