"""`posthouse ban`: who may not reach the mail ports, why, and for how long; banning and lifting by hand.

JSON of `list`: {"in_force", "problem", "bans": [{"network", "since", "until", "kind", "reason", "lines", "by"}]};
times are POSIX seconds, `until` null: until it is lifted; kind is address, range or operator. Of `add` one such ban, of
`lift` a list of them. `add` ends with status 1 where no ban is in force.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING

import click

from posthouse import paths
from posthouse.cli import _directory, _output
from posthouse.errors import UsageError

if TYPE_CHECKING:
    from posthouse.watch.score import Network


@click.group()
def ban() -> None:
    """See who is banned and why, ban and lift by hand."""


@ban.command(name="list")
@click.argument("network", required=False)
@_directory.JSON
def list_(network: str | None, as_json: bool) -> None:
    """List bans; with NETWORK those that touch it, with the lines of the log that led to them."""
    from posthouse.watch import bans, store

    _output.require_root()
    found = bans.standing(_network(network) if network else None)
    why = bans.problem()
    if as_json:
        shown = [one.as_json() for one in found]
        _output.emit_json({"in_force": not why, "problem": why, "bans": shown})
        return
    if why:
        _output.note(f"Bans are not in force: {why}")
    if not found:
        _output.emit("Nobody is banned." if network is None else f"{network} is not banned.")
        return
    now = time.time()
    rows = [(store.shown(one.network), _left(one.until, now), one.author, one.reason) for one in found]
    _output.emit(_output.table(rows, ("NETWORK", "STILL FOR", "BY", "REASON")))
    if network:
        for line in (line for one in found for line in one.lines):
            _output.emit("  " + "".join(c if c.isprintable() else "?" for c in line))


@ban.command()
@click.argument("network")
@click.option("--for", "duration", metavar="TIME", help="Such as 30m, 12h, 7d [until it is lifted].")
@click.option("--reason", default="by hand", show_default=True, help="Shown by `ban list`.")
@_directory.JSON
def add(network: str, duration: str | None, reason: str, as_json: bool) -> None:
    """Ban an address or a network from the mail ports."""
    from posthouse.watch import bans, store

    _output.require_root()
    wanted, seconds = _network(network), _seconds(duration) if duration else None
    _check_not_spared(wanted)
    made = bans.add(wanted, seconds, reason)
    why = bans.problem()
    if as_json:
        _output.emit_json(made.as_json())
    else:
        _output.emit(f"{store.shown(made.network)} is banned, {_left(made.until, time.time())}.")
    if why:
        _output.note(f"It is kept, but no ban is in force: {why}")
        raise SystemExit(1)


@ban.command()
@click.argument("network")
@_directory.JSON
def lift(network: str, as_json: bool) -> None:
    """Lift the bans of an address or a network, also those of the range that it is in."""
    from posthouse.watch import bans, store

    _output.require_root()
    found = bans.lift(_network(network))
    if as_json:
        _output.emit_json([one.as_json() for one in found])
    elif found:
        _output.emit(f"No longer banned: {', '.join(store.shown(one.network) for one in found)}.")
    else:
        _output.emit(f"{network} was not banned.")


def _check_not_spared(wanted: Network) -> None:
    """UsageError for what the site file says is never banned: such a ban would stand there, and do nothing."""
    from posthouse.watch import store

    site = _directory.site()
    for one in site.bans.never if site is not None else ():
        spared = ip_network(one)
        if wanted.version == spared.version and wanted.subnet_of(spared):  # type: ignore[arg-type]
            raise UsageError(
                f"{store.shown(wanted)} is never banned: [bans] never has {store.shown(spared)}.",
                f"Take it out of {paths.SITE_FILE}, and say: posthouse apply",
            )


def _network(text: str) -> Network:
    try:
        found = ip_network(text)
        if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped and found.prefixlen >= 96:
            # The packet filter sees such a client's IPv4 address.
            return ip_network(f"{found.network_address.ipv4_mapped}/{found.prefixlen - 96}")
        return found
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not an address or a network: {error}.",
            "Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64.",
        ) from None


def _seconds(text: str) -> float:
    units = {"m": 60, "h": 3600, "d": 86_400}
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in units or not 0 < int(number) <= 100_000:
        raise UsageError(f"--for: {text!r} is not a length of time.", "Write 30m, 12h or 7d.")
    return float(int(number) * units[unit])


def _left(until: float | None, now: float) -> str:
    if until is None:
        return "until it is lifted"
    left = max(until - now, 0)
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if left >= 2 * size:
            return f"{left / size:.0f} {unit}"
    return f"{left:.0f} seconds"
