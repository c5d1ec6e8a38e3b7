"""A host of the internet: a name, two addresses that agree with it, and sockets that speak from them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.lab import netns
from posthouse.lab.network import Network


@dataclass
class Host:
    """A host on the network's bridge. Made by `Internet.host`.

    `name` is its fully qualified name, to which both addresses' reverse names lead unless `Names.set_ptr` says
    otherwise.
    """

    net: Network
    name: str
    ipv4: str
    ipv6: str
    _stops: list[Callable[[], None]] = field(default_factory=list)

    def connect(self, address: str, port: int, timeout: float = 30.0) -> socket.socket:
        """Connect from this host's own address of the same family. OSError where that fails."""
        own = self.ipv6 if ":" in address else self.ipv4
        with netns.entered(self.net.gateway):
            return socket.create_connection((address, port), timeout, source_address=(own, 0))

    def listen(self, port: int) -> list[socket.socket]:
        """Listen on both addresses. OSError where the port is taken."""
        with netns.entered(self.net.gateway):
            return [
                socket.create_server((address, port), family=family)
                for address, family in ((self.ipv4, socket.AF_INET), (self.ipv6, socket.AF_INET6))
            ]

    def serve(
        self, port: int, protocol: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None = None
    ) -> None:
        """Answer on a port, each connection with a protocol of its own, until the host is gone; `tls`: inside TLS."""
        loop = asyncio.new_event_loop()
        for listening in self.listen(port):
            loop.run_until_complete(loop.create_server(protocol, sock=listening, ssl=tls))
        thread = threading.Thread(target=self._run, args=(loop,), name=f"{self.name}:{port}", daemon=True)
        thread.start()

        def stop() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=10)

        self._stops.append(stop)

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call this too when the host goes."""
        self._stops.append(stop)

    def answers(self, port: int) -> bool:
        """Whether anything listens on a port of both its addresses."""
        for address in (self.ipv4, self.ipv6):
            try:
                self.connect(address, port, 2.0).close()
            except OSError:
                return False
        return True

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        # Whatever the answers need of the network (names, above all) they ask from inside it.
        with netns.entered(self.net.gateway):
            loop.run_forever()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    def stop(self) -> None:
        """Stop answering: connections are refused from now on."""
        while self._stops:
            self._stops.pop()()
