"""What every daemon's folder is given, and small pieces that several of them need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from posthouse.directory.backend import Server
from posthouse.directory.queries import Dialect
from posthouse.resources import File
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release
from posthouse.stack.template import HEADER, origins


@dataclass(frozen=True)
class Wanted:
    """The whole input of `stack`: a blueprint is a pure function of it."""

    site: Site
    release: Release
    ground: Ground
    overrides: Mapping[str, str]

    @property
    def supervised(self) -> bool:
        """Whether supervisor starts the daemons, and logs go to stdout."""
        return self.ground.manager == "supervisor"

    @property
    def server(self) -> Server | None:
        """The PostgreSQL server that holds the directory; None where that is SQLite."""
        if self.site.directory.backend == "sqlite":
            return None
        return Server.local() if self.site.directory.url is None else Server.at(self.site.directory.url)

    @property
    def dialect(self) -> Dialect:
        """The SQL that the directory's database speaks."""
        return "sqlite" if self.server is None else "postgresql"

    @property
    def values(self) -> dict[str, object]:
        """What every template sees."""
        return {
            "site": self.site,
            "debian": self.release.debian,
            "supervised": self.supervised,
            "server": self.server,
        }


_ALIVE = """\
[Unit]
# It is started again however often it dies: the reason passes (a full disk, no memory), and mail waits meanwhile.
StartLimitIntervalSec=0

[Service]
# It is started again however it ended, but by systemctl.
Restart=always
RestartSec=1

# Where memory runs out the kernel ends one process; that is no reason to end the others with it.
OOMPolicy=continue
"""


@dataclass(frozen=True)
class Limits:
    """What a daemon may take: bytes of data of each of its processes and of all together, CPU seconds of each.

    Data is what getrlimit(2) counts as RLIMIT_DATA: a process that wants more is refused it. Where systemd starts the
    daemon the kernel ends what takes too much of the whole (systemd.resource-control(5)).
    """

    each: int
    together: int
    seconds: int | None = None

    @property
    def limited(self) -> tuple[str, ...]:
        """What stands before a command that is to have this limit (prlimit(1))."""
        cpu = () if self.seconds is None else (f"--cpu={self.seconds}",)
        return ("/usr/bin/prlimit", f"--data={self.each}", *cpu)

    @property
    def unit(self) -> str:
        """The same for a unit, as lines of [Service]."""
        cpu = "" if self.seconds is None else f"\nLimitCPU={self.seconds}"
        return f"MemoryMax={self.together}\nLimitDATA={self.each}{cpu}"


def drop_in(wanted: Wanted, unit: str, text: str = "") -> tuple[File, ...]:
    """A systemd drop-in for `unit` that keeps it alive, and `text`; nothing where systemd does not start it.

    Source: systemd.unit(5), systemd.service(5).
    """
    if wanted.supervised:
        return ()
    text = f"# {HEADER}\n\n{_ALIVE}\n{text}".rstrip("\n") + "\n"
    path = Path("/etc/systemd/system") / f"{unit}.service.d" / "posthouse.conf"
    return (File(path, text, origins=origins(text)),)
