"""Network namespaces: made and wired by ip(8), entered by a thread in order to open a socket."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posthouse.lab.errors import LabError, call

FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise LabError(f"setns(2) into a network namespace: {os.strerror(number)}")


@contextmanager
def entered(name: str) -> Iterator[None]:
    """Within the block this thread (no other) is in the namespace: sockets it makes belong there for good."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(there)
        os.close(home)


def batch(name: str, lines: list[str]) -> None:
    """Run ip(8) commands inside the namespace."""
    call(["ip", "-n", name, "-batch", "-"], stdin="\n".join(lines) + "\n")


def add(name: str) -> None:
    """Make a namespace with only a loopback interface, up."""
    call(["ip", "netns", "add", name])
    batch(name, ["link set lo up"])


def delete(name: str) -> None:
    """Remove a namespace, if it is there; its interfaces vanish with its last process."""
    if (FOLDER / name).exists():
        call(["ip", "netns", "del", name])


def mac(number: int) -> str:
    """The hardware address of this number in its network: the same for the next machine on an IP address."""
    return f"02:00:c6:12:00:{number:02x}"


def connect_machine(gateway: str, machine: str, number: int, addresses: list[str], routes: list[str]) -> None:
    """Put a veth between the bridge `br0` of `gateway` and `eth0` of `machine`."""
    port = f"m{number}"
    peer = ["peer", "name", "eth0", "address", mac(number), "netns", machine]
    # The kernel takes a namespace away in its own time: the port of the machine that was here before may still stand.
    with suppress(LabError):
        call(["ip", "-n", gateway, "link", "del", port])
    call(["ip", "-n", gateway, "link", "add", port, "type", "veth", *peer])
    batch(gateway, [f"link set {port} master br0 up"])
    lines = [f"address add {address} dev eth0 nodad" for address in addresses if ":" in address]
    lines += [f"address add {address} dev eth0" for address in addresses if ":" not in address]
    lines += ["link set eth0 up"]
    batch(machine, lines + [f"route add default via {route} dev eth0" for route in routes])
