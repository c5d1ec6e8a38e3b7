"""A DNS provider whose zones change by an API of its own: Debian's PowerDNS, on a machine of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from posthouse.lab.enter import Running
from posthouse.lab.machine import Machine
from posthouse.lab.network import Network
from posthouse.lab.wait import until

PORT = 8081  # of the API
_FOLDER = "/etc/powerdns/provider"
_DATABASE = "/var/lib/powerdns/provider.sqlite3"
_SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
_LOG = "/var/log/pdns.log"
_CONFIGURATION = f"""\
launch=gsqlite3
gsqlite3-database={_DATABASE}
api=yes
api-key={{key}}
webserver-address=0.0.0.0
webserver-allow-from=0.0.0.0/0
webserver-port={PORT}
default-soa-content=ns.@ hostmaster.@ 0 10800 3600 604800 1
# What pdnsutil changes behind its back is to be seen at once.
zone-cache-refresh-interval=0
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
"""


@dataclass
class PowerDns:
    """The provider; `key` is what its API asks for. Made by `PowerDns.on`."""

    net: Network
    machine: Machine
    key: str
    _running: list[Running] = field(default_factory=list)

    @classmethod
    def on(cls, net: Network, machine: Machine) -> PowerDns:
        """Install it on a machine, and start it without any zone."""
        packages = "pdns-server pdns-backend-sqlite3 sqlite3"
        machine.run(
            f"apt-get update -q && apt-get install -qy --no-install-recommends {packages}",
            env={"DEBIAN_FRONTEND": "noninteractive"},
            timeout=600,
        )
        machine.run("systemctl disable --now pdns")
        made = cls(net, machine, secrets.token_hex(16))
        machine.write(f"{_FOLDER}/pdns.conf", _CONFIGURATION.format(key=made.key), 0o600)
        machine.run(f"sqlite3 {_DATABASE} <{_SCHEMA}")
        made.start()
        return made

    def start(self) -> None:
        """Start it, and wait until its API listens."""
        self._running.append(
            self.machine.start(f"exec pdns_server --config-dir={_FOLDER} --guardian=no >>{_LOG} 2>&1")
        )
        listens = f"grep -q ':{PORT:04X} 00000000:0000 0A' /proc/net/tcp"
        until(lambda: self.machine.run(listens, check=False).returncode == 0, 60, "PowerDNS to listen")

    def stop(self) -> None:
        """Have it answer nobody."""
        while self._running:
            self._running.pop().kill_all()

    def add(self, domain: str, records: Iterable[str] = ()) -> None:
        """Hold a zone with these records, each "NAME TYPE VALUE" with a name below the domain, or @."""
        addresses = (self.machine.ipv4, self.machine.ipv6)
        self._util("create-zone", domain, f"ns.{domain}")
        for line in (f"ns A {addresses[0]}", f"ns AAAA {addresses[1]}", *records):
            name, kind, value = line.split(" ", 2)
            self._util("add-record", domain, name, kind, "7", value)
        self.net.dns.delegate(domain, addresses)

    def _util(self, *words: str) -> None:
        self.machine.run(["pdnsutil", f"--config-dir={_FOLDER}", *words])
