"""A machine's disk: an overlayfs of read-only layers and one writable, either a folder or a small image.

The image, an ext4 file system of a given size, is for tests of a full disk.
"""

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from posthouse.lab.errors import LabError, call


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
