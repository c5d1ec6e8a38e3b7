"""Posthouse's own table in nftables: who may not reach the mail ports. The operator's rules are never touched.

The table is replaced as a whole in one transaction, so that there is no moment without it (nft(8)). What is never
banned is accepted first; that ends this chain only, and says nothing to other tables. Outgoing mail to a banned host
goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import collapse_addresses
from pathlib import Path

from posthouse.errors import PosthouseError
from posthouse.host.run import run
from posthouse.watch.score import Network

NAME = "posthouse"
PORTS = (25, 110, 143, 465, 587, 993, 995, 4190)
_CAP_NET_ADMIN = 12  # capabilities(7), linux/capability.h
_NFT = "/usr/sbin/nft"


def text(banned: Iterable[Network], never: Iterable[Network]) -> str:
    """Return the table as nft reads it."""
    banned, never = list(banned), list(never)
    sets = "".join(
        _set(f"{name}{version}", [net for net in networks if net.version == version], version)
        for name, networks in (("never", never), ("banned", banned))
        for version in (4, 6)
    )
    ports = ", ".join(map(str, PORTS))
    return f"""\
table inet {NAME}
delete table inet {NAME}
table inet {NAME} {{
{sets}\tchain input {{
\t\ttype filter hook input priority -10; policy accept;
\t\tiifname "lo" accept
\t\tip saddr @never4 accept
\t\tip6 saddr @never6 accept
\t\tip saddr @banned4 tcp dport {{ {ports} }} counter drop
\t\tip6 saddr @banned6 tcp dport {{ {ports} }} counter drop
\t}}
}}
"""


def _set(name: str, networks: Iterable[Network], version: int) -> str:
    # Overlapping elements would be refused.
    elements = ", ".join(map(str, collapse_addresses(networks)))  # type: ignore[type-var]
    inside = f"\t\telements = {{ {elements} }}\n" if elements else ""
    return f"\tset {name} {{\n\t\ttype ipv{version}_addr\n\t\tflags interval\n{inside}\t}}\n"


def put(banned: Iterable[Network], never: Iterable[Network]) -> None:
    """Put the table in place. PosthouseError where the kernel does not let us, or nft is not there."""
    run([_NFT, "-f", "-"], input=text(banned, never), timeout=60)


def is_there() -> bool:
    """Tell whether the table stands: a firewall's `flush ruleset` takes it away. PosthouseError as `put`."""
    return f"table inet {NAME}\n" in run([_NFT, "list", "tables"], timeout=60).stdout


def remove() -> None:
    """Take the table away. PosthouseError as `put`."""
    run([_NFT, "-f", "-"], input=f"table inet {NAME}\ndelete table inet {NAME}\n", timeout=60)


def missing_right(status: Path = Path("/proc/self/status")) -> str:
    """Say why the packet filter cannot be used here; "" where nothing stands against it that can be seen."""
    for line in status.read_text().splitlines():
        if line.startswith("CapBnd:") and not int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1:
            return "this machine may not change its packet filter (no CAP_NET_ADMIN), as in many containers"
    return ""


def problem() -> str:
    """Say why bans cannot be put in place; "" where they can."""
    if why := missing_right():
        return why
    try:
        is_there()
    except PosthouseError as error:
        return str(error).splitlines()[-1].strip()
    return ""
