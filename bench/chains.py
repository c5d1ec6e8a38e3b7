"""Both filter chains, the roof, and the classic chain's ancestor: three machines of one Debian, loaded in turn.

The ancestor is the hand-made system that `up --adopt` takes over: a `pipe` content filter starts spamc for every
message, which hands it to Dovecot's deliver.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.machine.conftest import make_machine, make_server, publish
from tests.machine.grounds import GroundCase
from tests.machine.hand_made import build
from tests.machine.server import DOMAIN, HOST, PASSWORD, Server

from bench.letters import DOMAIN as SENDER_DOMAIN
from bench.letters import Domain
from bench.load import Target, in_maildirs
from bench.stages import each, spent
from posthouse import paths
from posthouse.lab import Machine, Network
from posthouse.lab.wait import until

Row = Callable[[str, str, str], None]
Unfiltered = Callable[[Server], AbstractContextManager[None]]
USERS = tuple(f"u{number}" for number in range(8))
_ROWS = """
INSERT INTO users SELECT name || '@' || :'domain', NULL, 'A person', 5000, 5000, :'domain' || '/mails/' || name, NULL
    FROM unnest(string_to_array(:'names', ' ')) AS name;
"""
ANCESTOR, CLASSIC, RSPAMD, ROOF = "the hand-made ancestor", "classic chain", "Rspamd", "no filter (the roof)"


def chains(
    net: Network, suite: str, archive: Path, count: int, turns: int, row: Row, unfiltered: Unfiltered
) -> None:
    """Tell light load, full load, and what the processes spend, for each of them."""
    sender = Domain(net.v4(1))
    net.dns.set_zone(SENDER_DOMAIN, sender.zone())
    net.dns.set_ptr(sender.address, f"client.{SENDER_DOMAIN}")
    servers = {ANCESTOR: _ancestor(net, suite)}
    for name, chain in ((CLASSIC, "spamassassin"), (RSPAMD, "rspamd")):
        servers[name] = _ours(net, suite, archive, chain)
    targets = {name: _target(server, sender) for name, server in servers.items()}
    for name, one in targets.items():
        one.run(min(60, count), 4, "warm")
        accepted, seen = one.light(min(40, count), "light")
        row(f"{name}, light load: MAIL to 250", f"{accepted * 1000:.1f} ms", "")
        row(f"{name}, light load: 250 to visible", f"{seen * 1000:.1f} ms", "")
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    spending: dict[str, str] = {}

    def loaded(name: str, one: Target, turn: int) -> None:
        one.run(min(30, count), 4, f"warm{turn}")
        before = spent(one.machine)
        load = one.run(count, 10, f"full{turn}")
        spending[name] = each(before, spent(one.machine), count)
        rates.setdefault(name, []).append(load.rate)
        costs.setdefault(name, []).append(load.cpu_each * 1000)

    for turn in range(turns):
        for name, one in targets.items():
            loaded(name, one, turn)
        with unfiltered(servers[RSPAMD]):
            loaded(ROOF, targets[RSPAMD], turn)
    for name in rates:
        value = f"{max(rates[name]):.0f} messages/s, {min(costs[name]):.1f} ms CPU each"
        row(f"port 25 to visible, 10 sessions, {name}", value, "")
        row(f"ms of CPU for a message, {name}", spending[name], "")
    pairs = list(zip(rates[CLASSIC], rates[ANCESTOR], strict=True))
    ratio = statistics.median(ours / other for ours, other in pairs)
    row(f"classic chain by its ancestor, messages/s, median of {turns}", f"{ratio:.2f}", "3")
    ratio = statistics.median(a / b for a, b in zip(costs[ANCESTOR], costs[CLASSIC], strict=True))
    row(f"its ancestor's CPU time by the classic chain's, median of {turns}", f"{ratio:.2f}", "3")
    for server in servers.values():
        server.machine.destroy()


def _ours(net: Network, suite: str, archive: Path, chain: str) -> Server:
    ground = GroundCase(suite, "systemd", None, chain)
    machine = make_machine(net, ground, f"bench-{chain}", archive)
    server = make_server(machine, net, archive, chain)
    for name in USERS:
        server.posthouse("user", "add", f"{name}@{DOMAIN}", "--password-stdin", input=PASSWORD + "\n")
    return server


def _ancestor(net: Network, suite: str) -> Server:
    machine = net.machine(f"bench-ancestor-{suite}", suite, base=build.snapshot(net, suite), hostname=HOST)
    publish(net, machine)
    given = [word for pair in (f"domain={DOMAIN}", f"names={' '.join(USERS)}") for word in ("-v", pair)]
    machine.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", *given, "mails"], input=_ROWS, user="postgres")
    # its guard against a client that connects too often would stop the load
    machine.run("postconf -e smtpd_client_connection_rate_limit=0 && postfix reload")
    server = Server(machine, net)
    until(lambda: _greets(machine), 60, "SMTP")
    return server


def _greets(machine: Machine) -> bool:
    found = machine.run(["bash", "-c", "head -1 < /dev/tcp/127.0.0.1/25"], check=False)
    return found.stdout.startswith("220")


def _target(server: Server, sender: Domain) -> Target:
    store = server.machine.root / str(paths.STORE / DOMAIN / "mails").lstrip("/")
    maildirs = {f"{name}@{DOMAIN}": store / name for name in USERS}
    return Target(server.net, server.machine, sender, maildirs, in_maildirs(maildirs))
