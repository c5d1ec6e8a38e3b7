"""The machine's own IP addresses, read from /proc (no program needed), and which of them are public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

Address = IPv4Address | IPv6Address

# RFC 2544 and RFC 5180 set these aside for benchmarks. No network routes them, so whoever has one on an
# interface lives in a laboratory, where they stand for the outside.
_LIKE_PUBLIC = (ip_network("198.18.0.0/15"), ip_network("2001:2::/48"))
_IPV6_TEMPORARY = 0x01  # IFA_F_TEMPORARY: changes from day to day (RFC 8981)
_IPV6_UNUSABLE = 0x08 | 0x20 | 0x40  # failed duplicate detection, deprecated, tentative


def own(proc: Path = Path("/proc")) -> list[Address]:
    """Return the addresses of the interfaces, IPv4 first, without loopback and link-local ones.

    Temporary IPv6 addresses are left out: nobody can publish them.
    """
    found = [*_ipv4(proc / "net/fib_trie"), *_ipv6(proc / "net/if_inet6")]
    return [one for one in dict.fromkeys(found) if not one.is_loopback and not one.is_link_local]


def public(proc: Path = Path("/proc")) -> list[Address]:
    """Return those of `own` that others can reach."""
    return [address for address in own(proc) if is_public(address)]


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the Internet's; 198.18.0.0/15 and 2001:2::/48 count as such."""
    return address.is_global or any(address in net for net in _LIKE_PUBLIC if net.version == address.version)


def _ipv4(table: Path) -> list[Address]:
    """Read the local addresses out of the routing trie: a `|-- ADDRESS` line before `/32 host LOCAL`."""
    if not table.exists():
        return []
    found: list[Address] = []
    last = ""
    for line in table.read_text().splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words == ["/32", "host", "LOCAL"]:
            found.append(ip_address(last))
    return found


def _ipv6(table: Path) -> list[Address]:
    """Read /proc/net/if_inet6: address, interface number, prefix length, scope, flags, name."""
    if not table.exists():
        return []
    rows = [line.split() for line in table.read_text().splitlines()]
    return [
        ip_address(bytes.fromhex(row[0]))
        for row in rows
        if not int(row[4], 16) & (_IPV6_TEMPORARY | _IPV6_UNUSABLE)
    ]
