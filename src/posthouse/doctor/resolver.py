"""The resolver: block lists refuse to answer the large public ones, and would look empty through them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from posthouse.doctor.check import Check, ok, warning

RESOLV_CONF = Path("/etc/resolv.conf")
_PUBLIC = {
    "Google": ("8.8.8.0/24", "8.8.4.0/24", "2001:4860:4860::/48"),
    "Cloudflare": ("1.1.1.0/24", "1.0.0.0/24", "2606:4700:4700::/48"),
    "Quad9": ("9.9.9.0/24", "149.112.112.0/24", "2620:fe::/48"),
    "OpenDNS": ("208.67.222.0/24", "208.67.220.0/24", "2620:119::/32"),
    "AdGuard": ("94.140.14.0/24", "94.140.15.0/24", "2a10:50c0::/32"),
    "Level3": ("4.2.2.0/24",),
    "Yandex": ("77.88.8.0/24",),
    "DNS.WATCH": ("84.200.69.0/24", "84.200.70.0/24"),
}


def check(path: Path = RESOLV_CONF) -> Iterator[Check]:
    """Check what resolv.conf(5) names. The filter asks Posthouse's own unbound, whatever it says."""
    servers = nameservers(path)
    public = [f"{server} ({owner})" for server in servers if (owner := owner_of(server))]
    if public:
        yield warning(
            "resolver",
            f"{path} names {', '.join(public)}, which block lists refuse to answer",
            "nothing to do for the filter: it asks the unbound that Posthouse runs, which must be able to"
            " reach port 53 of the outside by UDP and TCP",
        )
    elif not servers:
        yield warning("resolver", f"{path} names no server", "names cannot be looked up: set one there")
    else:
        yield ok("resolver", f"{', '.join(servers)}; the filter asks an unbound of its own")


def nameservers(path: Path = RESOLV_CONF) -> list[str]:
    """Return the servers that resolv.conf(5) names; none where it cannot be read."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and len(words) > 1]


def owner_of(server: str) -> str | None:
    """Return whose public resolver an address is; None for any other, and for what is no address."""
    try:
        address = ip_address(server.partition("%")[0])
    except ValueError:
        return None
    for owner, networks in _PUBLIC.items():
        for network in map(ip_network, networks):
            if network.version == address.version and address in network:
                return owner
    return None
