"""One machine: made, booted, run commands in, cut off, booted again, snapshotted, destroyed.

The machine's root is an overlayfs (`layers`) mounted in a mount namespace of its own, in which
systemd-nspawn runs it without registering it anywhere: nothing of it is seen on the host but processes,
a control group, a network namespace and two folders. Its state is a file, so that any process of the
host (a test, the command line) can take hold of it.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from posthouse.lab import enter, ground, layers, netns
from posthouse.lab.cgroup import Cgroup
from posthouse.lab.errors import LabError
from posthouse.lab.paths import CACHE, DISKS, RESOLVER4, RESOLVER6, RUN, SUITES
from posthouse.lab.wait import until

PIP_CACHE = CACHE / "pip"

# $1: overlay options, $2: mount point, $3: cgroup files (one a line); the rest: what to run.
_BOOT = """
options=$1 root=$2
for file in $3; do echo $$ >"$file"; done
shift 3
mount --make-rprivate /
mount -t overlay overlay -o "$options" "$root"
exec "$@"
"""


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


class Machine:
    """A machine of a network; made by `Network.machine`."""

    def __init__(self, spec: Spec, lower: list[Path]) -> None:
        self.spec = spec
        self.folder = RUN / spec.network / "machines" / spec.name
        self.disk = DISKS / spec.network / spec.name
        self.namespace = f"phl.{spec.network}.{spec.name}"
        self.cgroup = Cgroup(spec.network, spec.name)
        self.lower = lower
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
        (machine.folder / "root").mkdir(parents=True)
        for part in ("upper", "work"):
            (machine.disk / part).mkdir(parents=True)
        machine._save()
        machine._write_identity(registries, fresh=base == "bare")
        return machine

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The machine whose state is in this folder."""
        state = json.loads((folder / "machine.json").read_text())
        return cls(Spec(**state["spec"]), [Path(layer) for layer in state["lower"]])

    def _save(self) -> None:
        state = {"spec": asdict(self.spec), "lower": [str(layer) for layer in self.lower]}
        partial = self.folder / ".machine.json"
        partial.write_text(json.dumps(state, indent=1))
        partial.rename(self.folder / "machine.json")

    def _write_identity(self, registries: Mapping[str, str], fresh: bool) -> None:
        """Name, hosts, resolver, policy: what an installer would have written."""
        short = self.spec.hostname.partition(".")[0]
        hosts = [
            "127.0.0.1 localhost",
            f"127.0.1.1 {self.spec.hostname} {short}",
            "::1 localhost ip6-localhost",
        ]
        hosts += [f"{address} {name}" for name, address in registries.items()]
        files = {"etc/hostname": short + "\n", "etc/hosts": "\n".join(hosts) + "\n"}
        if fresh:
            files["etc/resolv.conf"] = f"nameserver {RESOLVER4}\nnameserver {RESOLVER6}\n"
        if self.spec.policy_rc_d is not None:
            files["usr/sbin/policy-rc.d"] = f"#!/bin/sh\nexit {self.spec.policy_rc_d}\n"
        for name, text in files.items():
            path = self.disk / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if name.startswith("usr/sbin") else 0o644)

    # -- power ----------------------------------------------------------------------------------------

    def boot(self, timeout: float = 90) -> None:
        """Boot from the disk as it is, and wait until the machine is up.

        Raises:
            LabError: it is on already, or did not come up within `timeout` seconds.
        """
        if self.is_on():
            raise LabError(f"machine {self.spec.name!r} is on")
        self._leader = None
        self.cgroup.create(self.spec.memory)
        PIP_CACHE.mkdir(parents=True, exist_ok=True)
        root = self.folder / "root"
        lower = ":".join(map(str, self.lower))
        overlay = f"lowerdir={lower},upperdir={self.disk}/upper,workdir={self.disk}/work"
        script = [
            "sh",
            "-ec",
            _BOOT,
            "sh",
            overlay,
            str(root),
            "\n".join(map(str, self.cgroup.entries("boot"))),
        ]
        with (self.folder / "console.log").open("ab") as console:
            subprocess.Popen(
                ["setsid", "--fork", "unshare", "--mount", *script, *self._nspawn(root)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            ).wait()
        try:
            self.wait_running(timeout)
        except LabError as error:
            raise LabError(f"{error}; the console says: {self.console()[-1500:]}") from error

    def _nspawn(self, root: Path) -> list[str]:
        options = [
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--settings=no",
            f"--directory={root}",
            f"--network-namespace-path={netns.FOLDER / self.namespace}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            f"--machine={self.spec.name}",
            f"--hostname={self.spec.hostname.partition('.')[0]}",
            "--console=read-only",
            "--capability=CAP_NET_ADMIN",
            f"--bind={PIP_CACHE}:/root/.cache/pip",
        ]
        options += [f"--bind-ro={path}" for path in ground.survey().binds]
        if self.spec.pid1 == "systemd":
            return ["systemd-nspawn", *options, "--boot"]
        return ["systemd-nspawn", *options, "--as-pid2", "--", "sleep", "infinity"]

    def is_on(self) -> bool:
        """Whether any process of the machine is alive."""
        return self.cgroup.populated()

    def leader(self) -> int | None:
        """The host's pid of the machine's PID 1, or None while there is none."""
        if self._leader is None or not Path(f"/proc/{self._leader}/root/etc").exists():
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
        """Shut down as an operator would; without systemd every process gets SIGTERM, as in a container.

        Raises:
            LabError: something would not end within `timeout` seconds.
        """
        leader = self.leader()
        if leader is None:
            return
        if self.spec.pid1 == "systemd":
            os.kill(leader, signal.SIGRTMIN + 4)  # systemd(1): poweroff.target
        else:
            for pid in self._inside():
                if pid != leader:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
        until(lambda: not self.is_on(), timeout, f"machine {self.spec.name!r} to shut down")

    def power_cut(self) -> None:
        """End every process of the machine at once by SIGKILL."""
        self.cgroup.kill()

    def snapshot(self, name: str) -> None:
        """Keep the disk as the snapshot `name` of this suite, usable as `base`; replaces one of that name.

        A machine that is on is shut down cleanly for it, and booted again.
        """
        if self.spec.disk is not None:
            raise LabError("a machine with a disk of limited size cannot be snapshotted")
        was_on = self.is_on()
        self.power_off()
        self.lower = layers.take(self.spec.suite, name, self.disk / "upper", self.lower)
        self._save()
        if was_on:
            self.boot()

    def destroy(self) -> None:
        """Cut its power and remove all of it."""
        self.cgroup.remove()
        netns.delete(self.namespace)
        shutil.rmtree(self.disk, ignore_errors=True)
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
        """What to run on the host in order to run `command` inside; for `run`, `start` and the CLI."""
        return enter.prepare(self._need_leader(), self.cgroup.entries("exec"), command, env, user)

    def run(
        self,
        command: enter.Command,
        input: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 900,
        user: str | None = None,
    ) -> enter.Result:
        """Run a command inside and wait for its end.

        Args:
            command: a list is run as it is, a string by /bin/sh.
            input: given on stdin, which is otherwise empty.
            env: added to a plain environment (PATH, HOME, USER, TERM, LANG).
            check: raise if the exit status is not 0.
            timeout: seconds, after which it is killed.
            user: run as this user of the machine instead of root.

        Raises:
            CommandFailed: another status than 0; carries the result.
            LabError: it took longer than `timeout`, or the machine is off.
        """
        return enter.run(self.argv(command, env, user), input, check, timeout)

    def start(
        self, command: enter.Command, env: Mapping[str, str] | None = None, user: str | None = None
    ) -> enter.Running:
        """Start a command inside and return at once; stdin, stdout and stderr are pipes."""
        return enter.Running(self.argv(command, env, user))

    def put(self, source: Path | str, target: str) -> None:
        """Copy a file or a folder of the host to the path `target` (not into it) inside; owner root."""
        command = ["tar", "--create", "--owner=0", "--group=0", "--directory", str(source), "."]
        if not Path(source).is_dir():
            self.write(target, Path(source).read_bytes(), Path(source).stat().st_mode & 0o777)
            return
        self.run(["mkdir", "-p", target])
        archive = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        self.run(["tar", "--extract", "--directory", target], input=archive)

    def get(self, source: str, target: Path | str) -> None:
        """Copy a file from inside to the host."""
        Path(target).write_bytes(self.read_bytes(source))

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file inside, with its folders, in place of what is there."""
        script = 'mkdir -p "$(dirname "$1")"; umask 077; cat >"$1"; chmod "$2" "$1"'
        self.run(["sh", "-ec", script, "sh", path, f"{mode:o}"], input=content)

    def read_bytes(self, path: str) -> bytes:
        """The bytes of a file inside."""
        return self.run(["cat", path]).raw

    def read(self, path: str) -> str:
        """The text of a file inside."""
        return self.run(["cat", path]).stdout

    def console(self) -> str:
        """All that the machine wrote to its console since it was made."""
        return (self.folder / "console.log").read_text(errors="replace")

    def _inside(self) -> list[int]:
        return [pid for pid in self.cgroup.pids() if enter.inner_pid(pid) is not None]

    def memory_pss(self) -> int:
        """Bytes of memory of all processes in the machine, PID 1 included, shared pages divided (PSS)."""
        total = 0
        for pid in self._inside():
            with suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        return total * 1024
