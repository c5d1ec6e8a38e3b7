"""The host's identity: its name, where its own addresses are found without the DNS, and the domain of its system mail.

Takes the site's names and addresses, and what others wrote into /etc/hosts, which stays. Where the machine must not be
renamed (a container without that right), the engine says so, and mail works without it.

Source: hostname(5), hostname(1), hosts(5); Debian's policy 11.6 (/etc/mailname).
"""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint, File
from posthouse.site.release import HOSTS, HOSTS_BEGIN, HOSTS_END
from posthouse.stack.daemon import Wanted

HOSTNAME = Path("/etc/hostname")
MAILNAME = Path("/etc/mailname")


def blueprint(wanted: Wanted) -> Blueprint:
    """The three files."""
    site = wanted.site
    return Blueprint(
        files=(
            File(
                HOSTNAME,
                f"{site.hostname}\n",
                live=("/bin/hostname", "-F", str(HOSTNAME)),
                origins=(("*", "site: hostname"),),
            ),
            File(HOSTS, _hosts(wanted), origins=(("*", "site: hostname, network"),)),
            File(MAILNAME, f"{site.domain}\n", origins=(("*", "site: domain"),)),
        )
    )


def _hosts(wanted: Wanted) -> str:
    """Our lines come first: the first that names an address, or a name, counts."""
    site = wanted.site
    name = site.hostname
    known = [one for one in (site.network.ipv4, site.network.ipv6) if one is not None]
    lines = [f"{address} {name} {name.partition('.')[0]}" for address in known or ["127.0.1.1"]]
    return "\n".join([HOSTS_BEGIN, *lines, HOSTS_END]) + "\n" + wanted.ground.hosts
