"""How a machine is started: a mount namespace, its disk mounted in it, systemd-nspawn on top.

Nothing is mounted where the host sees it, so that nothing has to be unmounted: when the last process is
gone, so are the mounts, however it ended.
"""

import os
import subprocess
from pathlib import Path

from posthouse.lab import ground, netns
from posthouse.lab.cgroup import Cgroup
from posthouse.lab.disk import Disk
from posthouse.lab.paths import CACHE

PIP_CACHE = CACHE / "pip"

# $1: files of the control groups of this script, $2: of the machine (one a line), $3: commands that mount;
# the rest: what to run, again and again while the machine wants to be rebooted (status 133).
_SCRIPT = """
for file in $1; do echo $$ >"$file"; done
mount --make-rprivate /
eval "$3"
entries=$2
shift 3
status=133
while [ $status -eq 133 ]; do
  status=0
  sh -ec 'for file in $1; do echo $$ >"$file"; done; shift; exec "$@"' sh "$entries" "$@" || status=$?
done
"""


def start(
    disk: Disk,
    cgroup: Cgroup,
    namespace: str,
    folder: Path,
    hostname: str,
    with_systemd: bool,
    packet_filter: bool,
) -> None:
    """Start the machine and return at once; its console goes to `folder/console.log`.

    `packet_filter`: it may change its own, as many containers may not.

    The processes are nobody's children: whoever finds the control group has the machine.
    """
    PIP_CACHE.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    root.mkdir(exist_ok=True)
    outer, inner = ("\n".join(map(str, cgroup.entries(leaf))) for leaf in ("exec", "boot"))
    script = ["sh", "-ec", _SCRIPT, "sh", outer, inner, disk.mount_commands(root)]
    options = [
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        f"--directory={root}",
        f"--network-namespace-path={netns.FOLDER / namespace}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--machine={folder.parent.parent.name}-{folder.name}",
        f"--hostname={hostname.partition('.')[0]}",
        "--console=read-only",
        f"--{'' if packet_filter else 'drop-'}capability=CAP_NET_ADMIN",
        f"--bind={PIP_CACHE}:/root/.cache/pip",
        *(f"--bind-ro={path}" for path in ground.survey().binds),
    ]
    payload = ["--boot"] if with_systemd else ["--as-pid2", "--", "sleep", "infinity"]
    with (folder / "console.log").open("ab") as console:
        subprocess.run(
            ["setsid", "--fork", "unshare", "--mount", *script, "systemd-nspawn", *options, *payload],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            check=True,
        )
