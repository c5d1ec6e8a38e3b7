"""A control group for each machine, so that all of it, and nothing else, can be counted and killed.

Works on a pure cgroup v2 host and on a hybrid one, where v2 is mounted beside the v1 controllers. The
memory limit uses whichever version owns the memory controller.
"""

import contextlib
import os
from functools import cache
from pathlib import Path

from posthouse.lab.errors import LabError
from posthouse.lab.wait import until

TOP = "posthouse-lab"


@cache
def _mounts() -> tuple[Path, Path | None, Path | None]:
    """Where cgroup v2, the v1 memory controller and v1's name=systemd hierarchy are mounted."""
    unified, memory, named = None, None, None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point, (kind, _, options) = Path(left.split()[4]), right.split(maxsplit=2)
        if kind == "cgroup2":
            unified = unified or point
        elif kind == "cgroup" and "memory" in options.split(","):
            memory = point
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            named = point
    if unified is None:
        raise LabError("no cgroup v2 hierarchy is mounted on this host")
    return unified, memory, named


def check() -> None:
    """Make sure that control groups can be made here.

    Raises:
        LabError: there is no cgroup v2, or root may not change it.
    """
    unified, _, _ = _mounts()
    try:
        (unified / TOP).mkdir(exist_ok=True)
    except OSError as error:
        raise LabError(f"control groups cannot be made in {unified}: {error}") from error


class Cgroup:
    """One node of the tree, `posthouse-lab/NETWORK[/MACHINE]`."""

    def __init__(self, *parts: str) -> None:
        unified, memory, named = _mounts()
        name = "/".join((TOP, *parts))
        self.path = unified / name
        self._memory = memory / name if memory else None
        self._named = named / name if named else None

    def create(self, memory: int | None = None) -> None:
        """Make the node, with a limit of `memory` bytes on all that runs in it."""
        (self.path / "boot").mkdir(parents=True, exist_ok=True)
        (self.path / "exec").mkdir(exist_ok=True)
        self._hand_down()
        if memory is None:
            return
        if self._memory:
            self._memory.mkdir(parents=True, exist_ok=True)
        self.limit_memory(memory)

    def limit_memory(self, memory: int) -> None:
        """Give a node that was made with a limit another one, in bytes.

        Raises:
            OSError: more than that is in use and cannot be freed.
        """
        (self._memory_file("memory.limit_in_bytes", "memory.max")).write_text(str(memory))

    def memory_peak(self) -> int:
        """The most bytes that were ever in use, files in memory included; only with a limit."""
        return int(self._memory_file("memory.max_usage_in_bytes", "memory.peak").read_text())

    def memory_kills(self) -> int:
        """How many processes the kernel has ended for want of memory; only with a limit."""
        text = self._memory_file("memory.oom_control", "memory.events").read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])

    def _memory_file(self, first: str, second: str) -> Path:
        """The file of this name in version 1 or 2, whichever has the memory controller."""
        return self._memory / first if self._memory else self.path / second

    def _hand_down(self) -> None:
        """Let every v2 controller there is work in the node and below it, as on a real machine."""
        depth = len(self.path.relative_to(_mounts()[0]).parts)
        for node in (*reversed(self.path.parents[:depth]), self.path):
            for controller in (node / "cgroup.controllers").read_text().split():
                with contextlib.suppress(OSError):
                    (node / "cgroup.subtree_control").write_text(f"+{controller}")

    def entries(self, leaf: str) -> list[Path]:
        """The files a process writes its pid to in order to be in `leaf` of this node."""
        files = [self.path / leaf / "cgroup.procs"]
        if self._memory and self._memory.exists():
            files.append(self._memory / "cgroup.procs")
        return files

    def pids(self) -> list[int]:
        """Every process of the node and of all below it."""
        found: list[int] = []
        for folder, _, _ in os.walk(self.path):
            with contextlib.suppress(OSError):
                found += [int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split()]
        return found

    def populated(self) -> bool:
        """Whether any process (zombies aside) is left."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except FileNotFoundError:
            return False

    def freeze(self) -> None:
        """Stop all of it in one instant; only `kill` and `remove` come after."""
        (self.path / "cgroup.freeze").write_text("1")
        events = self.path / "cgroup.events"
        until(lambda: "frozen 1" in events.read_text(), 20, f"the processes in {self.path} to stand still")

    def kill(self) -> None:
        """SIGKILL all of it at once, as a power cut does, and wait until it is gone."""
        if self.path.exists():
            (self.path / "cgroup.kill").write_text("1")
            until(lambda: not self.populated(), 20, f"the processes in {self.path} to be gone")

    def remove(self) -> None:
        """Kill what is left and remove the node with all below it."""
        self.kill()
        for top in (self.path, self._memory, self._named):
            for folder, _, _ in os.walk(top or "", topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
