"""Generation 0 keeps what a path had beside its content, and folders as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posthouse.engine.found import Found
from posthouse.engine.store import Store
from posthouse.host import swap

CONFIG = Path("/etc/daemon.conf")


def test_extended_attributes_come_back(tmp_path: Path) -> None:
    root, store = tmp_path / "root", Store(tmp_path / "engine")
    store.open()
    real = root / "etc/daemon.conf"
    real.parent.mkdir(parents=True)
    real.write_text("as found\n")
    try:
        os.setxattr(real, "user.note", b"mine\x00too")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    Found.load(store).with_files(root, [CONFIG])
    goal = Found.load(store).original(CONFIG)
    assert goal.content is not None
    real.write_text("managed\n")
    os.removexattr(real, "user.note")
    swap.lay(real, goal.content, str(os.getuid()), str(os.getgid()), goal.mode, goal.attributes)
    swap.switch(real)
    assert real.read_text() == "as found\n"
    assert os.getxattr(real, "user.note") == b"mine\x00too"


def test_folders_are_recorded_once_as_they_were(tmp_path: Path) -> None:
    root, store = tmp_path / "root", Store(tmp_path / "engine")
    store.open()
    (root / "var/there").mkdir(parents=True)
    (root / "var/there").chmod(0o751)
    folders = [Path("/var/there"), Path("/var/missing")]
    Found.load(store).with_directories(root, folders)
    (root / "var/there").chmod(0o700)
    (root / "var/missing").mkdir()
    found = Found.load(store).with_directories(root, folders).directories
    assert found["/var/missing"] is None
    assert found["/var/there"] is not None
    assert found["/var/there"]["mode"] == 0o751
    # files and units recorded afterwards lose nothing of it
    assert Found.load(store).with_units({}).with_files(root, [CONFIG]).directories == found
