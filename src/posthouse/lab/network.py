"""A small internet of one's own: a bridge, a gateway namespace, and the machines on it.

Every network lives in a network namespace, `phl.NAME`, that has no route to the host or anywhere else.
Its addresses come from 198.18.0.0/15 and 2001:2::/48 (RFC 2544, RFC 5180: benchmarking), which mail
software takes for public ones; networks have disjoint subnets. What leaves a machine for an address
outside is refused at once, except DNS, which is bent to the network's own name servers (`names`), and
the registries (`registry`).

A network ends with the process that made it, even by SIGKILL: its keeper holds the read end of a pipe
and clears everything away when the write end is gone. Networks of the command line have no such lifeline.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from posthouse.lab import ground, layers, netns, registry
from posthouse.lab.cgroup import Cgroup
from posthouse.lab.errors import LabError, call
from posthouse.lab.lock import locked
from posthouse.lab.machine import Machine, Spec
from posthouse.lab.names import Names
from posthouse.lab.paths import DISKS, NAMES4, NAMES6, REGISTRY_NET4, RESOLVER4, RESOLVER6, RUN

DEV = "dev"  # the network of the command line
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")

# Packets to an address outside: DNS goes to the name server, the rest is refused in the way that a
# program notices at once. Between machines nothing is filtered.
_RULES = f"""
table inet lab
delete table inet lab
table inet lab {{
  chain bend {{
    ip daddr != {{ 127.0.0.0/8, 198.18.0.0/15 }} meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {NAMES4}
    ip6 daddr != {{ ::1, 2001:2::/48 }} meta l4proto {{ tcp, udp }} th dport 53 dnat ip6 to {NAMES6}
  }}
  chain arriving {{ type nat hook prerouting priority dstnat; jump bend; }}
  chain own {{ type nat hook output priority -100; jump bend; }}
  chain forward {{
    type filter hook forward priority filter;
    iifname "br0" oifname "br0" accept
    meta l4proto tcp reject with tcp reset
    reject
  }}
}}
"""

_CUT = f"""
table inet cut {{
  chain arriving {{
    type filter hook input priority filter;
    ip daddr {REGISTRY_NET4}.0/24 meta l4proto tcp reject with tcp reset
  }}
}}
"""


def registry_addresses() -> dict[str, str]:
    """The host's registries and the address at which each is found in every network."""
    return {name: f"{REGISTRY_NET4}.{i}" for i, name in enumerate(ground.survey().registries, start=1)}


class Network:
    """A network and its machines; use it as a context manager, or `open` one that is there."""

    def __init__(self, name: str, lifeline: bool = True) -> None:
        if not _NAME.fullmatch(name):
            raise LabError(f"network name {name!r} is not of the form {_NAME.pattern}")
        self._call_it(name)
        self.index = 0
        self._with_lifeline = lifeline
        self._lifeline: int | None = None
        self._keeper: subprocess.Popen[str] | None = None

    def _call_it(self, name: str) -> None:
        self.name = name
        self.folder = RUN / name
        self.gateway = f"phl.{name}"
        self.dns = Names(self.folder, self.gateway)

    @classmethod
    def open(cls, name: str, lifeline: bool = True) -> Self:
        """A network that another process made and that still has its keeper.

        Raises:
            LabError: there is none of this name.
        """
        net = cls(name, lifeline)
        try:
            net.index = json.loads((net.folder / "network.json").read_text())["index"]
        except FileNotFoundError as error:
            raise LabError(f"there is no network {name!r}") from error
        return net

    def __enter__(self) -> Self:
        self.create()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    def create(self) -> None:
        """Wire the gateway and start the keeper (about a second).

        Where another live process has a network of this name, it becomes NAME-2, NAME-3 ...

        Raises:
            LabError: the host cannot do it.
        """
        collect_dead()
        with locked(RUN / "lock"):
            names = (self.name, *(f"{self.name}-{n}" for n in range(2, 254)))
            self._call_it(next(name for name in names if not (RUN / name).exists()))
            taken = {json.loads(path.read_text())["index"] for path in RUN.glob("*/network.json")}
            self.index = next(n for n in range(1, 254) if n not in taken)
            self.folder.mkdir(parents=True)
            (self.folder / "maker.pid").write_text(str(os.getpid()))
            (self.folder / "network.json").write_text(json.dumps({"index": self.index}))
        try:
            self._wire()
            self.revive()
        except BaseException:
            self.dismantle()
            raise

    def _wire(self) -> None:
        if int(_INOTIFY.read_text()) < 1024:
            _INOTIFY.write_text("1024")  # shared by root of all machines; a systemd takes a dozen
        netns.delete(self.gateway)
        netns.add(self.gateway)
        services = [f"{RESOLVER4}/32", f"{NAMES4}/32", f"{RESOLVER6}/128 nodad", f"{NAMES6}/128 nodad"]
        services += [f"{address}/32" for address in registry_addresses().values()]
        # A bridge without an address of its own takes another one whenever a machine comes or goes.
        lines = [f"link add br0 address {netns.mac(1)} type bridge", "link add services type bridge"]
        lines += [f"address add {self.v4(1)}/24 dev br0", f"address add {self.v6(1)}/64 dev br0 nodad"]
        lines += [f"address add dev services {address}" for address in services]
        # The default route leads nowhere: it only brings packets to the rules that refuse them.
        lines += ["link set br0 up", "link set services up", "route add default dev services"]
        netns.batch(self.gateway, [*lines, "route add ::/0 dev services"])
        with netns.entered(self.gateway):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")

    def revive(self) -> None:
        """Give the network a keeper and the rules it should have; its machines are not touched."""
        self._nft(_RULES)
        self._start_keeper()

    def _nft(self, rules: str) -> None:
        call(["ip", "netns", "exec", self.gateway, "nft", "-f", "-"], stdin=rules)

    def _start_keeper(self) -> None:
        reading, self._lifeline = os.pipe() if self._with_lifeline else (None, None)
        argv = [sys.executable, "-m", "posthouse.lab.keeper", self.name]
        with (self.folder / "keeper.log").open("w") as log:
            self._keeper = subprocess.Popen(
                argv if reading is None else [*argv, str(reading)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[] if reading is None else [reading],
                start_new_session=True,
                text=True,
            )
        if reading is not None:
            os.close(reading)
        assert self._keeper.stdout is not None
        with self._keeper.stdout as said:
            if said.readline() != "ready\n":
                raise LabError(f"the keeper of {self.name!r} failed: {self._log_end()}")

    def _log_end(self) -> str:
        return (self.folder / "keeper.log").read_text().strip()[-2000:]

    def v4(self, number: int) -> str:
        """The IPv4 address of this number in the network."""
        return f"198.18.{self.index}.{number}"

    def v6(self, number: int) -> str:
        """The IPv6 address of this number in the network (its digits read the same as the IPv4 one's)."""
        return f"2001:2:0:{self.index}::{number}"

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Within the block no registry can be reached: new connections are refused, open ones are reset."""
        self._nft(_CUT)
        try:
            yield
        finally:
            self._nft("delete table inet cut\n")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Within the block, sockets that this thread opens are on the network: clients can run in the test.

        Names are still resolved by the host: connect to addresses.
        """
        with netns.entered(self.gateway):
            yield

    def machine(
        self,
        name: str,
        suite: str = "bookworm",
        pid1: str = "systemd",
        base: str = "bare",
        hostname: str | None = None,
        policy_rc_d: int | None = None,
        memory: int | None = None,
        disk: int | None = None,
        packet_filter: bool = True,
    ) -> Machine:
        """Make a fresh machine and boot it (about a second, with the base tree there).

        Args:
            name: unique in the network.
            suite: "bookworm" or "trixie".
            pid1: "systemd", or "other" for a container whose PID 1 only reaps.
            base: "bare", or the name of a snapshot of the same suite.
            hostname: fully qualified; `NAME.lab` unless given.
            policy_rc_d: exit status of an operator's /usr/sbin/policy-rc.d; None for no such file.
            memory: limit of the whole machine, bytes.
            disk: size of the writable disk, MiB; the host's own free space unless given.
            packet_filter: it may change its own (CAP_NET_ADMIN), as many containers may not.

        Raises:
            LabError: the name is taken, the snapshot unknown, or the machine did not come up.
        """
        if not _NAME.fullmatch(name):
            raise LabError(f"machine name {name!r} is not of the form {_NAME.pattern}")
        with locked(self.folder / "lock"):
            taken = {m.spec.number for m in self.machines()}
            number = next(n for n in range(10, 250) if n not in taken)
            spec = Spec(
                name=name,
                suite=suite,
                pid1=pid1,
                hostname=hostname or f"{name}.lab",
                number=number,
                ipv4=self.v4(number),
                ipv6=self.v6(number),
                network=self.name,
                policy_rc_d=policy_rc_d,
                memory=memory,
                disk=disk,
                packet_filter=packet_filter,
            )
            machine = Machine.make(spec, base, registry_addresses())
        netns.add(machine.namespace)
        own = [f"{spec.ipv4}/24", f"{spec.ipv6}/64"]
        routes = [self.v4(1), self.v6(1)]
        netns.connect_machine(self.gateway, machine.namespace, number, own, routes)
        machine.boot()
        return machine

    def machines(self) -> list[Machine]:
        """All machines of the network, by name."""
        return [Machine.load(path.parent) for path in sorted(self.folder.glob("machines/*/machine.json"))]

    def find(self, name: str) -> Machine:
        """The machine of this name.

        Raises:
            LabError: there is none.
        """
        folder = self.folder / "machines" / name
        if not (folder / "machine.json").exists():
            raise LabError(f"network {self.name!r} has no machine {name!r}")
        return Machine.load(folder)

    def destroy(self) -> None:
        """End the keeper and clear everything away."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._keeper is not None:
            if not self._with_lifeline:
                self._keeper.terminate()
            self._keeper.wait(timeout=60)
        self.dismantle()

    def is_kept(self) -> bool:
        """Whether its keeper is alive, or its maker has yet to start it."""
        try:
            pid = (self.folder / "keeper.pid").read_text()
        except OSError:
            return self._is_being_made()
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return b"posthouse.lab.keeper" in arguments and self.name.encode() in arguments

    def _is_being_made(self) -> bool:
        try:
            os.kill(int((self.folder / "maker.pid").read_text()), 0)
        except (OSError, ValueError):
            return False
        return True

    def dismantle(self) -> None:
        """Kill all machines and remove every trace of the network on the host; harmless if there is none."""
        for path in self.folder.glob("machines/*/machine.json"):
            Machine.load(path.parent).destroy()
        Cgroup(self.name).remove()
        netns.delete(self.gateway)
        shutil.rmtree(DISKS / self.name, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def collect_dead() -> list[str]:
    """Dismantle networks that nobody keeps, and remove disks of networks that are not there.

    The network of the command line outlives its keeper: the next command gives it a new one.
    """
    gone = []
    with locked(RUN / "lock"):
        for net in [Network(path.parent.name) for path in RUN.glob("*/network.json")]:
            if net.name != DEV and not net.is_kept():
                net.dismantle()
                gone.append(f"network {net.name}")
        for folder in DISKS.glob("*"):
            if not (RUN / folder.name).exists():
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(f"disks of {folder.name}")
    return gone


def collect_layers() -> list[str]:
    """Remove snapshots' layers and old base trees that nothing stands on, and downloads of long ago."""
    registry.collect()
    used: set[Path] = set()
    for path in RUN.glob("*/machines/*/machine.json"):
        used |= set(Machine.load(path.parent).disk.lower)
    return [str(path) for path in layers.collect(used)]
