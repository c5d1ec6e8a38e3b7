"""The two DNS daemons of a network: nsd for the zones, unbound to resolve. Run by the keeper."""

import socket
import subprocess
from pathlib import Path

from posthouse.lab import anchor, netns
from posthouse.lab.cgroup import Cgroup
from posthouse.lab.errors import LabError
from posthouse.lab.names import Names
from posthouse.lab.paths import NAMES4, NAMES6, RESOLVER4, RESOLVER6
from posthouse.lab.wait import until

_NSD = """\
server:
  ip-address: {v4}
  ip-address: {v6}
  username: ""
  chroot: ""
  zonesdir: ""
  database: ""
  pidfile: ""
  server-count: 1
  logfile: "{folder}/nsd.log"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  rrl-ratelimit: 0
remote-control:
  control-enable: yes
  control-interface: {folder}/nsd.control
include: "{folder}/zones.conf"
"""

_UNBOUND = """\
server:
  interface: {v4}
  interface: {v6}
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: "{folder}/unbound.log"
  root-hints: "{folder}/root.hints"
  trust-anchor-file: "{folder}/root.key"
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
  aggressive-nsec: no
  infra-host-ttl: 1
  local-zone: "test." nodefault
remote-control:
  control-enable: no
"""


def _listening(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        return client.connect_ex((address, 53)) == 0


def start(names: Names, gateway: str, network: str) -> None:
    """Start both daemons and wait until they answer.

    Raises:
        LabError: one of them ended; its log says why.
    """
    folder = names.folder
    folder.mkdir(parents=True, exist_ok=True)
    names.write()
    anchor.write_root_key(folder / "root.key")
    hints = f". 86400 IN NS a.root-servers.net.\na.root-servers.net. 86400 IN A {NAMES4}\n"
    (folder / "root.hints").write_text(hints)
    (folder / "nsd.conf").write_text(_NSD.format(v4=NAMES4, v6=NAMES6, folder=folder))
    (folder / "unbound.conf").write_text(_UNBOUND.format(v4=RESOLVER4, v6=RESOLVER6, folder=folder))
    cgroup = Cgroup(network, ".dns")
    cgroup.kill()  # those of a keeper that was killed
    cgroup.create()
    _run(["nsd", "-d", "-c", str(folder / "nsd.conf")], gateway, cgroup, NAMES4, folder)
    _run(["unbound", "-d", "-c", str(folder / "unbound.conf")], gateway, cgroup, RESOLVER4, folder)


def _run(argv: list[str], gateway: str, cgroup: Cgroup, address: str, folder: Path) -> None:
    script = 'echo $$ >"$1"; shift; exec "$@"'
    joined = [
        "sh",
        "-ec",
        script,
        "sh",
        str(cgroup.entries("exec")[0]),
        "ip",
        "netns",
        "exec",
        gateway,
        *argv,
    ]
    process = subprocess.Popen(joined, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def up() -> bool:
        if process.poll() is not None:
            logs = "".join(path.read_text()[-1000:] for path in folder.glob("*.log"))
            raise LabError(f"{argv[0]} ended with {process.returncode}: {logs}")
        with netns.entered(gateway):
            return _listening(address)

    until(up, 30, f"{argv[0]} to answer")
