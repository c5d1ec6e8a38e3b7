"""Files and directories as the engine sees and makes them: whole, owned, and durable."""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from posthouse.errors import PosthouseError
from posthouse.resources import Directory

Kind = Literal["file", "symlink", "directory", "other"]


@dataclass(frozen=True)
class FileState:
    """What stands at a path. `sha256` is that of the content, or of a symlink's target; else empty.

    `owner` and `group` are names, or the number where nothing has that name; `mode` the permission bits.
    """

    sha256: str
    owner: str
    group: str
    mode: int
    kind: Kind
    size: int


class WriteFailed(PosthouseError):
    """A file or directory could not be written; what stood there before is unchanged."""


def state_of(paths: Iterable[Path], *, follow: bool = False) -> dict[Path, FileState | None]:
    """Observe paths; None where nothing is. `follow`: see through a symlink.

    Raises:
        PosthouseError: a path cannot be read.
    """
    try:
        return {path: _state(path, follow) for path in paths}
    except OSError as error:
        raise PosthouseError(f"cannot read {error.filename}: {error.strerror}") from error


def _state(path: Path, follow: bool) -> FileState | None:
    try:
        found = path.stat() if follow else path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind: Kind = "other"
    digest = ""
    if stat.S_ISREG(found.st_mode):
        kind, digest = "file", hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(found.st_mode):
        kind, digest = "symlink", hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
    elif stat.S_ISDIR(found.st_mode):
        kind = "directory"
    owner, group = _user_name(found.st_uid), _group_name(found.st_gid)
    return FileState(digest, owner, group, stat.S_IMODE(found.st_mode), kind, found.st_size)


def attributes(path: Path) -> dict[str, bytes]:
    """Return the extended attributes of a file, ACLs among them; none where the file system has none."""
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EPERM):
            raise
        return {}


def write_atomic(
    path: Path, data: bytes, owner: str = "root", group: str = "root", mode: int = 0o644
) -> None:
    """Put a file in place so that every reader sees the old one or the new one, also after a power cut.

    Its folder is made (0755) where missing. A symlink at `path` is replaced, not followed. A file that
    is a mount point (/etc/hosts in a container) cannot be replaced and is written in place.

    Raises:
        WriteFailed: no space, a folder in the way, an unknown owner, ...
    """
    uid, gid = _uid(owner, path), _gid(group, path)
    fresh = path.with_name(f".{path.name}.posthouse-new")  # one name: what a kill leaves, the next run takes
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(fresh, data, uid, gid, mode, os.O_CREAT | os.O_EXCL)
            fresh.replace(path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            if error.errno != errno.EBUSY:
                raise
            _write(path, data, uid, gid, mode, os.O_TRUNC)
        sync_folder(path.parent)
    except OSError as error:
        raise _failed("write", path, error) from error


def _write(path: Path, data: bytes, uid: int, gid: int, mode: int, flags: int) -> None:
    if flags & os.O_EXCL:
        path.unlink(missing_ok=True)
    # 0600 until it has its owner: a secret must not be readable for a moment.
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    with os.fdopen(handle, "wb") as stream:
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
        stream.write(data)
        stream.flush()
        os.fsync(handle)


def remove(path: Path) -> None:
    """Take a file or symlink away, durably; nothing there is fine.

    Raises:
        WriteFailed: it is a directory, or cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)
    except OSError as error:
        raise _failed("remove", path, error) from error


def make_directory(directory: Directory) -> None:
    """Make a directory, or give an existing one its owner and mode; what is in it stays as it is.

    Missing parents are made root's, 0755. A symlink to a directory is followed only where root made it
    (an operator's link to another disk), so that nobody can bend the way to a folder.

    Raises:
        WriteFailed: something else stands there, or it cannot be made.
    """
    path = directory.path
    uid, gid = _uid(directory.owner, path), _gid(directory.group, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() and path.lstat().st_uid != 0:
            raise WriteFailed(
                f"expected a directory at {path}, found a symlink that root did not make",
                f"see where it leads (`ls -l {path}`), and remove it",
            )
        path.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fchown(handle, uid, gid)
            os.fchmod(handle, directory.mode)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_folder(path.parent)
    except OSError as error:
        raise _failed("make the directory", path, error) from error


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder durable (fsync(2) on the folder itself).

    Raises:
        OSError: from the system call.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(what: str, path: Path, error: OSError) -> WriteFailed:
    hint = None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = f"make room on the file system of {path.parent} (`df -h {path.parent}`), then say it again"
    elif error.errno == errno.EROFS:
        hint = f"the file system of {path.parent} is mounted read-only"
    return WriteFailed(f"cannot {what} {path}: {error.strerror}", hint)


def _uid(owner: str, path: Path) -> int:
    try:
        return int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise WriteFailed(f"cannot write {path}: there is no user {owner} to own it") from None


def _gid(group: str, path: Path) -> int:
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise WriteFailed(f"cannot write {path}: there is no group {group} to own it") from None


def _user_name(uid: int) -> str:
    try:
        return _users()[uid]
    except KeyError:
        _users.cache_clear()
        return _users().get(uid, str(uid))


def _group_name(gid: int) -> str:
    try:
        return _groups()[gid]
    except KeyError:
        _groups.cache_clear()
        return _groups().get(gid, str(gid))


@lru_cache(1)
def _users() -> dict[int, str]:
    return {entry.pw_uid: entry.pw_name for entry in reversed(pwd.getpwall())}


@lru_cache(1)
def _groups() -> dict[int, str]:
    return {entry.gr_gid: entry.gr_name for entry in reversed(grp.getgrall())}
