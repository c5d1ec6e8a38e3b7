"""A machine's disk: an overlayfs of read-only layers and one writable, either a folder or a small image.

The image, an ext4 file system of a given size, is for tests of a full disk.
"""

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from posthouse.lab.errors import LabError, call

# ioctl FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH (linux/fs.h): nothing is written from here on.
_SHUTDOWN = "import fcntl, os, struct, sys; " + (
    "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))"
)


@dataclass
class Disk:
    """The disk in `folder` above the layers `lower`, topmost first; `size` in MiB, or None for a folder."""

    folder: Path
    lower: list[Path]
    size: int | None = None

    @property
    def upper(self) -> Path:
        """The writable layer, while the disk is a folder or not yet sealed."""
        return self.folder / "upper"

    def create(self, files: dict[str, tuple[str, int]]) -> None:
        """Lay out a new disk with these files on top: text and mode by path."""
        for part in ("upper", "work"):
            (self.folder / part).mkdir(parents=True)
        for name, (text, mode) in files.items():
            path = self.upper / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)
        if self.size is not None:
            self._seal(self.size)

    def _seal(self, size: int) -> None:
        """Turn the two folders into an image that holds them."""
        seed = self.folder / "seed"
        seed.mkdir()
        for part in ("upper", "work"):
            (self.folder / part).rename(seed / part)
        image = self.folder / "image"
        call(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", seed, image, f"{size}M"])
        shutil.rmtree(seed)

    def mount_commands(self, root: Path) -> str:
        """Shell commands that mount the disk at `root`, for a mount namespace of the machine's own."""
        commands, parts = [], self.folder
        if self.size is not None:
            parts = root  # the overlay hides the image's own mount, which nobody needs to see
            commands.append(["mount", "-o", "loop", str(self.folder / "image"), str(root)])
        layers = ":".join(map(str, self.lower))
        options = f"lowerdir={layers},upperdir={parts}/upper,workdir={parts}/work"
        commands.append(["mount", "-t", "overlay", "overlay", "-o", options, str(root)])
        return "\n".join(shlex.join(command) for command in commands)

    def lose_unsynced(self) -> None:
        """Drop whatever is not on the image yet, as a power cut does; its file system takes nothing any more.

        What a disk itself would hold in a cache of its own is not lost.

        Raises:
            LabError: the disk is a folder, or not mounted.
        """
        self._at_its_mount([sys.executable, "-c", _SHUTDOWN, str(self.folder)])

    def break_down(self) -> None:
        """Let its file system meet an error: from here it can only be read (ext4(5), errors=remount-ro).

        Raises:
            LabError: the disk is a folder, or not mounted.
        """
        self._at_its_mount(["mount", "-o", "remount,abort", str(self.folder)])

    def _at_its_mount(self, command: list[str]) -> None:
        """Run `command` where `folder` is the image's own mount: the machine's overlay hides the other one."""
        if self.size is None:
            raise LabError("only a disk of limited size has a file system of its own")
        loop = call(["losetup", "--noheadings", "--output", "NAME", "--associated", self.folder / "image"])
        if not loop.strip():
            raise LabError(f"{self.folder}/image is not mounted")
        script = 'mount --make-rprivate / && mount "$1" "$2" && shift 2 && exec "$@"'
        call(["unshare", "--mount", "sh", "-ec", script, "sh", loop.split()[0], self.folder, *command])

    def destroy(self) -> None:
        """Remove it. Harmless if it is not there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def need_folder(self) -> None:
        """Refuse what cannot be done with an image.

        Raises:
            LabError: the disk has a size.
        """
        if self.size is not None:
            raise LabError("a machine with a disk of limited size cannot be snapshotted")
