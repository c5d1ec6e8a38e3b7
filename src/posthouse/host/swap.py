"""Replace many files as one: lay every new file beside its place first, then only rename.

A full disk, a missing user or a read-only folder shows while nothing has changed yet; the renames after
it, and the renames that take them back, need no space. The names beside the place are hidden
(`.NAME.posthouse-new`, `.NAME.posthouse-old`), so that no `*.conf` of a daemon reads them.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path


def new_of(path: Path) -> Path:
    """Return where the new file waits."""
    return path.with_name(f".{path.name}.posthouse-new")


def old_of(path: Path) -> Path:
    """Return where the old file is kept."""
    return path.with_name(f".{path.name}.posthouse-old")


def lay(
    path: Path,
    data: bytes,
    owner: str,
    group: str,
    mode: int,
    attributes: Iterable[tuple[str, bytes]] = (),
) -> None:
    """Write the new file beside its place, synced. OSError, LookupError (no such user): nothing changed."""
    new = new_of(path)
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        # By the descriptor: the folder may be its daemon's, which could put a symlink in the file's place.
        os.fchown(file.fileno(), _uid(owner), _gid(group))
        os.fchmod(file.fileno(), mode)
        for name, value in attributes:
            os.setxattr(file.fileno(), name, value)
        os.fsync(file.fileno())


def _uid(owner: str) -> int:
    # A file that was found may belong to a number that nobody has.
    try:
        return int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise LookupError(f"no such user: {owner!r}") from None


def _gid(group: str) -> int:
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise LookupError(f"no such group: {group!r}") from None


def lay_link(path: Path, target: str) -> None:
    """Make the new symbolic link beside its place."""
    new_of(path).unlink(missing_ok=True)
    new_of(path).symlink_to(target)


def keep(path: Path) -> None:
    """Keep what is at the place under the old name: a hard link, or a copy where it is a mount of its own."""
    old = old_of(path)
    old.unlink(missing_ok=True)
    try:
        os.link(path, old, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        status = path.stat()
        lay_copy(path, old, status)


def lay_copy(path: Path, to: Path, status: os.stat_result) -> None:
    """Copy a file with owner and mode, synced."""
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(path.read_bytes())
        file.flush()
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
        os.fsync(file.fileno())


def switch(path: Path) -> None:
    """Put the new file in its place."""
    _move(new_of(path), path)


def put_back(path: Path) -> bool:
    """Put the kept file back; False where none is kept (it is back already)."""
    if not os.path.lexists(old_of(path)):
        return False
    # Renaming one hard link of a file onto another does nothing and leaves both (rename(2)).
    if os.path.lexists(path) and os.path.samestat(old_of(path).lstat(), path.lstat()):
        old_of(path).unlink()
    else:
        _move(old_of(path), path)
    return True


def clear(path: Path) -> None:
    """Forget the names beside the place."""
    new_of(path).unlink(missing_ok=True)
    old_of(path).unlink(missing_ok=True)


def _move(source: Path, path: Path) -> None:
    try:
        source.rename(path)
    except OSError as error:
        # A file that is itself a mount (a container's /etc/hosts) cannot be replaced, only written.
        if error.errno != errno.EBUSY:
            raise
        lay_copy(source, path, source.stat())
        source.unlink()
