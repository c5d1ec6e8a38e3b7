"""A certificate authority that speaks ACME: Debian's pebble, on a machine of its own.

It is strict on purpose: one nonce in twenty is refused, and with each start it has forgotten all accounts and has
another root.
"""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from dataclasses import dataclass, field

from posthouse.lab import netns
from posthouse.lab.enter import Running
from posthouse.lab.internet.authority import Authority
from posthouse.lab.machine import Machine
from posthouse.lab.network import Network
from posthouse.lab.paths import RESOLVER4
from posthouse.lab.wait import until

_FOLDER = "/etc/pebble"
_LOG = "/var/log/pebble.log"
_PORT, _MANAGEMENT = 14000, 15000


@dataclass
class Pebble:
    """The authority; `url` is its directory, which a certificate of `trust` vouches for. Made by `Pebble.on`."""

    net: Network
    machine: Machine
    name: str
    _running: list[Running] = field(default_factory=list)

    @classmethod
    def on(cls, net: Network, machine: Machine, name: str, authority: Authority) -> Pebble:
        """Install it on a machine, publish its name, and start it."""
        machine.run(
            "apt-get update -q && apt-get install -qy pebble", env={"DEBIAN_FRONTEND": "noninteractive"}
        )
        chain, key = authority.certificate(name)
        machine.write(f"{_FOLDER}/cert.pem", chain.read_bytes())
        machine.write(f"{_FOLDER}/key.pem", key.read_bytes(), 0o600)
        settings = {
            "listenAddress": f"0.0.0.0:{_PORT}",
            "managementListenAddress": f"0.0.0.0:{_MANAGEMENT}",
            "certificate": f"{_FOLDER}/cert.pem",
            "privateKey": f"{_FOLDER}/key.pem",
            "httpPort": 80,
            "tlsPort": 443,
        }
        machine.write(f"{_FOLDER}/config.json", json.dumps({"pebble": settings}))
        net.dns.set_zone(name, [f"@ A {machine.ipv4}"])
        made = cls(net, machine, name)
        made.start()
        return made

    @property
    def url(self) -> str:
        """The ACME directory."""
        return f"https://{self.name}:{_PORT}/dir"

    def start(self) -> None:
        """Start it, with everything forgotten, and wait until it answers."""
        command = f"exec pebble -config {_FOLDER}/config.json -strict -dnsserver {RESOLVER4}:53 >>{_LOG} 2>&1"
        # Validations begin at once, and none is taken for another order's.
        env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
        self._running.append(self.machine.start(command, env=env))
        until(self._answers, 60, "pebble to answer")

    def stop(self) -> None:
        """Have it answer nobody."""
        while self._running:
            self._running.pop().kill_all()
        until(lambda: not self._answers(), 30, "pebble to be gone")

    def root(self) -> str:
        """Its present root, PEM. OSError where it does not answer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # it is asked by its address
        context.verify_mode = ssl.CERT_NONE
        url = f"https://{self.machine.ipv4}:{_MANAGEMENT}/roots/0"
        with (
            netns.entered(self.net.gateway),
            urllib.request.urlopen(url, timeout=30, context=context) as answer,
        ):
            return str(answer.read(), "ascii")

    def _answers(self) -> bool:
        try:
            with netns.entered(self.net.gateway), socket.create_connection((self.machine.ipv4, _PORT), 5):
                return True
        except OSError:
            return False
