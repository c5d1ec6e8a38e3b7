"""The one process beside the machines of a network: way out, name servers, and clearing away.

Run as `python -m posthouse.lab.keeper NETWORK [LIFELINE_FD]`; says `ready` on stdout once everything
listens. It ends, and the network with it, on SIGTERM or when the other end of the lifeline is closed.
"""

import os
import select
import signal
import sys

from posthouse.lab import nameserver, registry
from posthouse.lab.network import Network, registry_addresses


def main(name: str, lifeline: int | None) -> None:
    """Serve the network until it is told to end."""
    stop_reading, stop_writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(stop_writing, b"."))
    net = Network.open(name)
    (net.folder / "keeper.pid").write_text(str(os.getpid()))
    nameserver.start(net.dns, net.gateway, name)
    registry.serve(net.gateway, registry_addresses())
    print("ready", flush=True)
    os.close(1)
    select.select([stop_reading] if lifeline is None else [stop_reading, lifeline], [], [])
    net.dismantle()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
