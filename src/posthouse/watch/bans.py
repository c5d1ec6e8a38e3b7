"""Bans as the operator meets them: read, added and lifted by the commands, in force at once."""

from __future__ import annotations

import time
from ipaddress import ip_address

from posthouse.errors import PosthouseError, UsageError
from posthouse.host import addresses
from posthouse.watch import fail2ban, store, table
from posthouse.watch.score import Network
from posthouse.watch.store import Banned, OldPassword

_PATIENCE = 5.0  # seconds for the watch to put in place what was said
_WHOLE = {4: 8, 6: 32}  # shortest prefix that may be banned by hand


def standing(touching: Network | None = None) -> list[Banned]:
    """Return the bans that stand, the newest first. PosthouseError where they cannot be read."""
    with store.opened() as kept:
        found = kept.standing()
    return [one for one in found if touching is None or store.overlap(one.network, touching)]


def add(network: Network, seconds: float | None, reason: str) -> Banned:
    """Ban a network. UsageError for one of this machine's own addresses, or half the world."""
    if network.prefixlen < _WHOLE[network.version]:
        raise UsageError(
            f"{network} is too much of the world to ban.", f"Not more than a /{_WHOLE[network.version]}."
        )
    own = [ip_address("127.0.0.1"), ip_address("::1"), *addresses.own()]
    if network.is_loopback or any(
        address in network for address in own if address.version == network.version
    ):
        raise UsageError(f"{store.shown(network)} holds an address of this machine, which is never banned.")
    with store.opened() as kept:
        made = kept.add(network, seconds, reason[:200])
    _await(made.since)
    return made


def lift(network: Network) -> list[Banned]:
    """Lift what touches a network; what its addresses did is forgotten. Return the bans that were."""
    now = time.time()
    with store.opened() as kept:
        found = kept.lift(network)
    _await(now)
    return found


def old_passwords(seconds: float) -> list[OldPassword]:
    """Return the devices that said an old password in so many seconds, the latest first."""
    with store.opened() as kept:
        return kept.same_passwords(time.time() - seconds)


def problem() -> str:
    """Say why no ban is in force; "" where they are."""
    if why := table.problem():
        return why
    try:
        return "" if table.is_there() else "posthouse-watch does not run"
    except PosthouseError as error:
        return str(error)


def fail2ban_problem() -> str:
    """Say why fail2ban, which the site asks for, does not take up the bans; "" where it does."""
    return table.missing_right() or fail2ban.problem()


def _await(since: float) -> None:
    """Wait until the watch has put in place what was said; where it cannot, `problem` says why."""
    end = time.monotonic() + _PATIENCE
    with store.opened() as kept:
        while kept.in_force() < since and time.monotonic() < end:
            time.sleep(0.05)
