"""One machine: made, booted, run commands in, cut off, booted again, snapshotted, destroyed.

Nothing of a machine is registered anywhere on the host; there are only processes, a control group, a
network namespace and two folders. Its state is a file, so that any process of the host (a test, the
command line) can take hold of it.
"""

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from posthouse.lab import boot, enter, layers, netns
from posthouse.lab.cgroup import Cgroup
from posthouse.lab.disk import Disk
from posthouse.lab.errors import LabError
from posthouse.lab.inside import Inside
from posthouse.lab.paths import DISKS, RESOLVER4, RESOLVER6, RUN, SUITES
from posthouse.lab.wait import until


@dataclass(frozen=True)
class Spec:
    """What a machine was made as; see `Network.machine` for the meaning."""

    name: str
    suite: str
    pid1: str
    hostname: str
    number: int
    ipv4: str
    ipv6: str
    network: str
    policy_rc_d: int | None = None
    memory: int | None = None
    disk: int | None = None
    packet_filter: bool = True


class Machine(Inside):
    """A machine of a network; made by `Network.machine`."""

    def __init__(self, spec: Spec, lower: list[Path]) -> None:
        self.spec = spec
        self.folder = RUN / spec.network / "machines" / spec.name
        self.disk = Disk(DISKS / spec.network / spec.name, lower, spec.disk)
        self.namespace = f"phl.{spec.network}.{spec.name}"
        self.cgroup = Cgroup(spec.network, spec.name)
        self._leader: int | None = None

    # -- made and loaded ------------------------------------------------------------------------------

    @classmethod
    def make(cls, spec: Spec, base: str, registries: Mapping[str, str]) -> Self:
        """Lay out the disk and the state of a new machine; `boot` comes after."""
        if spec.suite not in SUITES or spec.pid1 not in ("systemd", "other"):
            raise LabError(f"no machine with suite {spec.suite!r} and pid1 {spec.pid1!r}")
        machine = cls(spec, layers.lower_layers(spec.suite, base))
        if machine.folder.exists():
            raise LabError(f"network {spec.network!r} has a machine {spec.name!r} already")
        machine.folder.mkdir(parents=True)
        machine._save()
        machine.disk.create(machine._identity(registries, fresh=base == "bare"))
        return machine

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The machine whose state is in this folder."""
        state = json.loads((folder / "machine.json").read_text())
        return cls(Spec(**state["spec"]), [Path(layer) for layer in state["lower"]])

    def _save(self) -> None:
        state = {"spec": asdict(self.spec), "lower": [str(layer) for layer in self.disk.lower]}
        partial = self.folder / ".machine.json"
        partial.write_text(json.dumps(state, indent=1))
        partial.rename(self.folder / "machine.json")

    def _identity(self, registries: Mapping[str, str], fresh: bool) -> dict[str, tuple[str, int]]:
        """Name, hosts, resolver, policy: what an installer would have written (text and mode by path)."""
        short = self.spec.hostname.partition(".")[0]
        hosts = [
            "127.0.0.1 localhost",
            f"127.0.1.1 {self.spec.hostname} {short}",
            "::1 localhost ip6-localhost",
        ]
        hosts += [f"{address} {name}" for name, address in registries.items()]
        files = {"etc/hostname": (short + "\n", 0o644), "etc/hosts": ("\n".join(hosts) + "\n", 0o644)}
        if fresh:
            files["etc/resolv.conf"] = (f"nameserver {RESOLVER4}\nnameserver {RESOLVER6}\n", 0o644)
        if self.spec.policy_rc_d is not None:
            files["usr/sbin/policy-rc.d"] = (f"#!/bin/sh\nexit {self.spec.policy_rc_d}\n", 0o755)
        return files

    # -- power ----------------------------------------------------------------------------------------

    def boot(self, timeout: float = 90) -> None:
        """Boot from the disk as it is, and wait until the machine is up.

        Raises:
            LabError: it is on already, or did not come up within `timeout` seconds.
        """
        if self.is_on():
            raise LabError(f"machine {self.spec.name!r} is on")
        # Groups that were killed once are not used again: Linux (seen in 6.18) may kill what is cloned from
        # another group into one of them, as systemd 257 starts its services.
        self.cgroup.remove()
        self.cgroup.create(self.spec.memory)
        systemd = self.spec.pid1 == "systemd"
        boot.start(
            self.disk,
            self.cgroup,
            self.namespace,
            self.folder,
            self.spec.hostname,
            systemd,
            self.spec.packet_filter,
        )
        try:
            self.wait_running(timeout)
        except LabError as error:
            raise LabError(f"{error}; the console says: {self.console()[-1500:]}") from error

    def is_on(self) -> bool:
        """Whether any process of the machine is alive."""
        return self.cgroup.populated()

    def leader(self) -> int | None:
        """The host's pid of the machine's PID 1, or None while there is none."""
        if not self.is_on():  # one that was killed can be seen for a moment longer than its group
            self._leader = None
            return None
        if self._leader is None or enter.inner_pid(self._leader) != 1:
            self._leader = next((pid for pid in self.cgroup.pids() if enter.inner_pid(pid) == 1), None)
        return self._leader

    def wait_running(self, timeout: float = 90) -> None:
        """Wait until the machine can be worked in; with systemd: until its boot has ended.

        Raises:
            LabError: that took more than `timeout` seconds.
        """
        what = f"machine {self.spec.name!r} to be up"
        until(lambda: self._started() and self.leader(), timeout, what)
        if self.spec.pid1 == "systemd":
            until(lambda: self.state() in ("running", "degraded"), timeout, what)

    def _started(self) -> bool:
        """Whether the payload runs: only then has nspawn mounted all that belongs to the machine."""
        payload = "systemd" if self.spec.pid1 == "systemd" else "sleep"
        return any(enter.command_name(pid) == payload for pid in self._inside())

    def state(self) -> str:
        """What `systemctl is-system-running` says ("running", "degraded" ...), or "up" without systemd."""
        if self.spec.pid1 != "systemd":
            return "up" if self.is_on() else "off"
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip()

    def power_off(self, timeout: float = 120) -> None:
        """Shut down as an operator would.

        Without systemd every program gets SIGTERM and 30 s, then SIGKILL.

        Raises:
            LabError: something would not end within `timeout` seconds.
        """
        leader = self.leader()
        if leader is None:
            return
        if self.spec.pid1 == "systemd":
            os.kill(leader, signal.SIGRTMIN + 4)  # systemd(1): poweroff.target
            until(lambda: not self.is_on(), timeout, f"machine {self.spec.name!r} to shut down")
            return
        for pid in self._programs():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with suppress(LabError):
            until(lambda: not self._programs(), min(timeout, 30), "the programs to end")
        self.power_cut()

    def _programs(self) -> list[int]:
        """What runs beside PID 1 and, in a container, its payload, PID 2."""
        return [pid for pid in self._inside() if (enter.inner_pid(pid) or 0) > 2]

    def power_cut(self, lose_unsynced: bool = False) -> None:
        """End every process of the machine at once by SIGKILL.

        With `lose_unsynced`, what was written and not synced is gone too (only with a disk of limited size).
        """
        if lose_unsynced:
            self.cgroup.freeze()
            self.disk.lose_unsynced()
        self.cgroup.remove()

    def snapshot(self, name: str) -> None:
        """Keep the disk as the snapshot `name` of this suite, usable as `base`; replaces one of that name.

        A machine that is on is shut down cleanly for it, and booted again.
        """
        self.disk.need_folder()
        was_on = self.is_on()
        self.power_off()
        self.disk.lower = layers.take(self.spec.suite, name, self.disk.upper, self.disk.lower)
        self._save()
        if was_on:
            self.boot()

    def destroy(self) -> None:
        """Cut its power and remove all of it."""
        self.cgroup.remove()
        netns.delete(self.namespace)
        self.disk.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- inside ---------------------------------------------------------------------------------------

    @property
    def ipv4(self) -> str:
        """Its IPv4 address."""
        return self.spec.ipv4

    @property
    def ipv6(self) -> str:
        """Its IPv6 address."""
        return self.spec.ipv6

    @property
    def root(self) -> Path:
        """The running machine's root as the host sees it. Follow no absolute symbolic link through it."""
        return Path(f"/proc/{self._need_leader()}/root")

    def _need_leader(self) -> int:
        leader = self.leader()
        if leader is None:
            raise LabError(f"machine {self.spec.name!r} is off")
        return leader

    def argv(self, command: enter.Command, env: Mapping[str, str] | None, user: str | None) -> enter.Call:
        """What to run on the host in order to run `command` inside.

        Raises:
            LabError: the machine is off.
        """
        without = "" if self.spec.packet_filter else "net_admin"
        return enter.prepare(self._need_leader(), self.cgroup.entries("exec"), command, env, user, without)

    def console(self) -> str:
        """All that the machine wrote to its console since it was made."""
        return (self.folder / "console.log").read_text(errors="replace")

    def add_address(self, address: str) -> None:
        """Give the machine one more address of the lab's ranges, until it is destroyed."""
        length = 128 if ":" in address else 32
        netns.batch(self.namespace, [f"address add {address}/{length} dev eth0" + " nodad" * (length == 128)])
        netns.batch(f"phl.{self.spec.network}", [f"route replace {address}/{length} dev br0"])

    def _inside(self) -> list[int]:
        return [pid for pid in self.cgroup.pids() if enter.inner_pid(pid) is not None]

    def memory_pss(self) -> Counter[str]:
        """Bytes of memory of all processes in the machine, PID 1 included, by name; shared pages divided (PSS)."""
        found: Counter[str] = Counter()
        for pid in self._inside():
            with suppress(OSError):
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                found[name] += (
                    sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
                )
        return found
