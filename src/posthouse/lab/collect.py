"""What runs that died left behind, and how it goes."""

import os
import shutil
from pathlib import Path

from posthouse.lab import layers
from posthouse.lab.lock import locked
from posthouse.lab.machine import Machine
from posthouse.lab.network import Network
from posthouse.lab.paths import DISKS, RUN


def keeper_alive(folder: Path) -> bool:
    """Whether the network whose state is in `folder` still has its keeper."""
    try:
        pid = (folder / "keeper.pid").read_text()
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"posthouse.lab.keeper" in arguments and folder.name.encode() in arguments


def collect_dead(spare: str | None = None) -> list[str]:
    """Dismantle networks (but `spare`) whose keeper is gone, and remove disks of no network."""
    gone = []
    with locked(RUN / "lock"):
        for folder in [path.parent for path in RUN.glob("*/network.json")]:
            if folder.name != spare and not keeper_alive(folder) and _settled(folder):
                Network(folder.name).dismantle()
                gone.append(f"network {folder.name}")
        for folder in DISKS.glob("*"):
            if not (RUN / folder.name).exists():
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(f"disks of {folder.name}")
    return gone


def _settled(folder: Path) -> bool:
    """Not just being made by a live process: that takes a few seconds until the keeper is there."""
    try:
        maker = int((folder / "maker.pid").read_text())
        os.kill(maker, 0)
    except (OSError, ValueError):
        return True
    return (folder / "keeper.pid").exists()


def collect_layers() -> list[str]:
    """Remove snapshots' layers and old base trees that nothing stands on."""
    used = set()
    for path in RUN.glob("*/machines/*/machine.json"):
        used |= set(Machine.load(path.parent).lower)
    return [str(path) for path in layers.collect(used)]
