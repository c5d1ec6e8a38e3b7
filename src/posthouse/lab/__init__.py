"""Fresh Debian machines and a small internet of their own: the ground of the tests, and of `rehearse`.

with Network("example") as net:
    server = net.machine("server", suite="trixie", hostname="mail.snorl.ax")
    server.run(["apt-get", "update"])
"""

from posthouse.lab.check import available
from posthouse.lab.enter import CommandFailed, Result, Running
from posthouse.lab.errors import LabError
from posthouse.lab.layers import exists as has_snapshot
from posthouse.lab.machine import Machine
from posthouse.lab.network import Network
from posthouse.lab.paths import HOST_PACKAGES

__all__ = [
    "HOST_PACKAGES",
    "CommandFailed",
    "LabError",
    "Machine",
    "Network",
    "Result",
    "Running",
    "available",
    "has_snapshot",
]
