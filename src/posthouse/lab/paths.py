"""Where the lab keeps its things, and what it needs on the host.

`CACHE` holds what is worth keeping between runs (base trees, snapshots, downloads); `RUN` what belongs to
networks and machines that exist now. Both are plain folders: remove them when no machine runs and
nothing is lost but time.
"""

from pathlib import Path

CACHE = Path("/var/cache/posthouse-lab")
RUN = Path("/run/posthouse-lab")
DISKS = CACHE / "disks"

SUITES = ("bookworm", "trixie")

# Everything the host needs beside Python; all of it from Debian's main archive.
HOST_PACKAGES = (
    "dns-root-data",
    "e2fsprogs",
    "iproute2",
    "knot",
    "mmdebstrap",
    "nftables",
    "nsd",
    "systemd-container",
    "unbound",
    "util-linux",
)

# The same in every network, so that a snapshot made in one boots unchanged in another.
RESOLVER4, RESOLVER6 = "198.19.255.53", "2001:2:0:ffff::53"
NAMES4, NAMES6 = "198.19.255.1", "2001:2:0:ffff::1"
REGISTRY_NET4 = "198.19.254"
