from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from posthouse.host import files
from posthouse.resources import Directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_a_file_is_whole_and_owned(tmp_path: Path) -> None:
    path = tmp_path / "new/deep/file"
    files.write_atomic(path, b"secret", "nobody", "mail", 0o640)
    state = files.state_of([path])[path]
    assert state == files.FileState(hashlib.sha256(b"secret").hexdigest(), "nobody", "mail", 0o640, "file", 6)
    assert list(path.parent.iterdir()) == [path]


def test_what_a_kill_left_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".file.posthouse-new").write_text("half")
    files.write_atomic(tmp_path / "file", b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_symlink_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "file").symlink_to("target")
    files.write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()


def test_an_unknown_owner_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(files.WriteFailed, match="no user"):
        files.write_atomic(tmp_path / "file", b"new", owner="no-such-user")
    assert (tmp_path / "file").read_text() == "old"


def test_a_full_disk_changes_nothing_and_leaves_nothing() -> None:
    # /dev/full takes no byte: a folder on it cannot be had, so a tmpfs of one page stands for a full disk.
    pytest.importorskip("ctypes")
    import ctypes
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", folder.encode(), b"tmpfs", 0, b"size=8k") != 0:
            pytest.skip("no right to mount")
        try:
            path = Path(folder) / "file"
            path.write_text("old")
            with pytest.raises(files.WriteFailed, match="No space left") as caught:
                files.write_atomic(path, b"x" * 100_000)
            assert "make room" in str(caught.value)
            assert path.read_text() == "old"
            assert [p.name for p in Path(folder).iterdir()] == ["file"]
        finally:
            libc.umount(folder.encode())


def test_states_of_everything(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir(mode=0o750)
    os.mkfifo(tmp_path / "fifo")
    found = files.state_of([tmp_path / name for name in ("link", "folder", "fifo", "none", "link/below")])
    kinds = {path.name: state and state.kind for path, state in found.items()}
    assert kinds == {"link": "symlink", "folder": "directory", "fifo": "other", "none": None, "below": None}


def test_a_directory_gets_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        files.make_directory(Directory(tmp_path / "a/b", "nobody", "mail", 0o2750))
    finally:
        os.umask(old)
    state = files.state_of([tmp_path / "a/b"])[tmp_path / "a/b"]
    assert state is not None
    assert (state.owner, state.group, state.mode) == ("nobody", "mail", 0o2750)


def test_a_symlink_of_somebody_else_is_no_directory(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    files.make_directory(Directory(link))  # root's own: an operator's other disk
    os.chown(link, 65534, 65534, follow_symlinks=False)
    with pytest.raises(files.WriteFailed, match="root did not make"):
        files.make_directory(Directory(link))


def test_a_file_in_the_way_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(files.WriteFailed):
        files.make_directory(Directory(tmp_path / "file"))
    with pytest.raises(files.WriteFailed):
        files.remove(tmp_path)
    files.remove(tmp_path / "file")
    files.remove(tmp_path / "file")
