"""A room of another Debian: its packages unpacked in a folder of their own, nothing set up, nothing running.

For programs that only read and judge, the checkers of daemons that this machine does not have yet. apt works
there with folders of its own, an empty dpkg database and the machine's own mirrors and keys (apt.conf(5)); the
packages are unpacked, never configured. Programs run by chroot(2).
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from posthouse.errors import PosthouseError
from posthouse.host.packages import sources
from posthouse.host.run import CommandFailed, Completed, run

Note = Callable[[str], None]

FREE_BYTES = 1_500_000_000  # the archives, and what is in them
_GROUND = ("base-files", "libc6", "libc-bin", "dash", "coreutils")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9), "random": (1, 8)}  # mem(4), random(4)
_NAMES = ("passwd", "group", "hosts", "nsswitch.conf", "resolv.conf")


class Room:
    """A folder with another Debian's packages in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"

    def make(self, old: str, new: str, packages: Sequence[str], note: Note) -> None:
        """Fetch packages with all that they need, and unpack them. What was there before is replaced.

        Args:
            old: the suite that the machine's sources lead to.
            new: the suite to take packages from.
            packages: names of Debian packages.
            note: told what happens.

        Raises:
            PosthouseError: no room on the disk, no such packages, no network.
        """
        self.remove()
        self.folder.mkdir(mode=0o700, parents=True)
        free = shutil.disk_usage(self.folder).free
        if free < FREE_BYTES:
            raise PosthouseError(
                f"{self.folder}: {FREE_BYTES >> 20} MiB are needed to look at the next Debian, {free >> 20} are free",
                "make room (`df -h` shows where), and say it again",
            )
        environment = self._apt(old, new)
        note(f"fetching the package lists of {new}")
        _apt_get(["update"], environment)
        note(f"fetching the daemons of {new} and what they need, to look at them aside")
        _apt_get(["--download-only", "install", *_GROUND, *packages], environment)
        archives = sorted((self.folder / "cache/archives").glob("*.deb"))
        # The links from /lib into /usr/lib come with base-files.
        archives.sort(key=lambda path: not path.name.startswith("base-files_"))
        self.root.mkdir()
        for archive in archives:
            run(["dpkg-deb", "--extract", archive, self.root])
            archive.unlink()
        self._furnish()

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        """Run a program of the room in it, whatever its exit status. CommandFailed where it cannot start."""
        return run(["chroot", self.root, *argv], env=env, check=False, timeout=120)

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Put a file at a path inside."""
        target = self.root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _apt(self, old: str, new: str) -> dict[str, str]:
        """Give apt folders of its own; return the variable by which it finds them."""
        for name in ("lists/partial", "cache/archives/partial", "sources.list.d", "nothing"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        for path in sources.lists():
            inside = self.folder / path.relative_to(sources.ETC)
            inside.write_text(sources.moved(path.read_text(encoding="utf-8"), old, new), encoding="utf-8")
        settings = {
            "Dir::Etc::SourceList": "sources.list",
            "Dir::Etc::SourceParts": "sources.list.d",
            "Dir::Etc::Preferences": "none",
            "Dir::Etc::PreferencesParts": "nothing",
            "Dir::State::Lists": "lists",
            "Dir::State::status": "status",
            "Dir::State::extended_states": "extended_states",
            "Dir::Cache": "cache",
        }
        lines = [f'{name} "{self.folder / value}";\n' for name, value in settings.items()]
        # The folder is root's alone.
        lines += ['APT::Sandbox::User "root";\n', 'APT::Install-Recommends "false";\n']
        (self.folder / "apt.conf").write_text("".join(lines))
        return {"APT_CONFIG": str(self.folder / "apt.conf")}

    def _furnish(self) -> None:
        """What checkers look for beside their packages: users, names, a few devices."""
        for name in _NAMES:
            if (source := Path("/etc", name)).is_file():
                self.write(source, source.read_bytes())
        devices = self.root / "dev"
        devices.mkdir(exist_ok=True)
        for name, numbers in _DEVICES.items():
            try:
                os.mknod(devices / name, stat.S_IFCHR | 0o666, os.makedev(*numbers))
                (devices / name).chmod(0o666)
            except PermissionError:
                (devices / name).touch()  # a container that may not make devices: an empty file does
        (self.root / "tmp").mkdir(exist_ok=True)


def _apt_get(words: list[str], environment: Mapping[str, str]) -> None:
    try:
        run(["apt-get", "-q", "-y", "-o", "Acquire::Retries=3", *words], env=environment)
    except CommandFailed as error:
        raise PosthouseError(
            f"the next Debian's packages cannot be looked at:\n{error.message}",
            "Mend the network or /etc/apt, and say it again; nothing was changed.",
        ) from error
