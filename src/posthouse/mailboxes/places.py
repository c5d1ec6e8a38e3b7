"""The places of one account's mail, and the door that says which of them is in use.

For each format an account has a *live* place, which is where Dovecot looks, and beside it, hidden, a *draft*
(a conversion is filling it) and *kept* (the old copy after a conversion). Hidden names cannot be an account's:
the directory lets no part of a path begin with a dot.

A live place that must not be used is *closed*: an empty folder of mode 0. Whoever still believes in it, a session
that is open, a delivery that has begun, an older configuration, gets "permission denied" and hence a temporary
error, and never an empty mailbox. It stays closed after the conversion, so that two formats are never live at once.

Everything here is done by the store's own user, inside folders of its own: call it by `drop_to`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files

Format = Literal["maildir", "mdbox"]
FORMATS: tuple[Format, ...] = ("maildir", "mdbox")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # fcntl.h, linux/fs.h


@dataclass(frozen=True)
class Place:
    """Where an account whose `path` in the directory is this has its mail in one format."""

    format: Format
    path: str

    @property
    def live(self) -> Path:
        """Where Dovecot looks."""
        return (paths.MDBOX if self.format == "mdbox" else paths.STORE) / self.path

    @property
    def draft(self) -> Path:
        """What a conversion fills."""
        return hidden(self.live, "draft")

    @property
    def kept(self) -> Path:
        """The old copy."""
        return hidden(self.live, "kept")

    def indexes(self, mail: Path) -> Path | None:
        """Return where the indexes of mail at a place are; None where they are part of it (mdbox)."""
        if self.format == "mdbox":
            return None
        # The old copy goes on with the indexes that it had.
        live = paths.INDEXES / self.path
        return hidden(live, "draft") if mail == self.draft else live

    def everything(self) -> tuple[Path, ...]:
        """Return every folder that this format may have on the disk."""
        indexes = paths.INDEXES / self.path
        rest = (indexes, hidden(indexes, "draft")) if self.format == "maildir" else ()
        return (self.live, self.draft, self.kept, *rest)


def of(path: str, form: str) -> Place:
    """Return the place of an account's mail in a format."""
    return Place("mdbox" if form == "mdbox" else "maildir", path)


def hidden(path: Path, what: str) -> Path:
    """Return the hidden name beside a path."""
    return path.with_name(f".{path.name}.{what}")


def closed(path: Path) -> bool:
    """Tell whether this is a closed door: a folder of mode 0."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == 0


def holds_mail(path: Path) -> bool:
    """Tell whether there is anything, and it is not a closed door."""
    return path.exists() and not closed(path) and any(path.iterdir())


def found(path: str) -> Format | None:
    """Return the format of the mail that is there already for an account's path, None where there is none."""
    return next((form for form in reversed(FORMATS) if holds_mail(of(path, form).live)), None)


def make_closed(path: Path) -> None:
    """Have a closed door where there is nothing. OSError: FileExistsError where there is something."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0)
    path.chmod(0)  # a default ACL of the parent would be added to the mode


def close(place: Place) -> None:
    """Close the live place: in one step the mail is in `kept`, and a closed door in its place.

    Raises:
        PosthouseError: the file system cannot exchange two folders.
    """
    if closed(place.live):
        return
    if not closed(place.kept):
        make_closed(place.kept)
    _exchange(place.live, place.kept)
    files.sync_folder(place.live.parent)


def reopen(place: Place) -> None:
    """Take `close` back, however far it came."""
    if closed(place.live) and place.kept.exists() and not closed(place.kept):
        _exchange(place.live, place.kept)
    if closed(place.kept):
        place.kept.rmdir()
    files.sync_folder(place.live.parent)


def install(place: Place) -> None:
    """Put the draft in the live place, over a closed door or nothing. OSError where there is anything else."""
    draft = place.indexes(place.draft)
    if draft is not None and (live := place.indexes(place.live)) is not None:
        remove(live)  # of an earlier copy, or nothing
        draft.rename(live)
        files.sync_folder(live.parent)
    place.draft.rename(place.live)
    files.sync_folder(place.live.parent)


def uninstall(place: Place) -> None:
    """Make the live place the draft again, where `install` had come to its end and nothing uses it yet."""
    if not place.draft.exists() and place.live.exists() and not closed(place.live):
        place.live.rename(place.draft)
        files.sync_folder(place.live.parent)
    make_door = not place.live.exists()
    if make_door:
        make_closed(place.live)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, for good; a closed door and nothing at all are fine. OSError."""
    with suppress(FileNotFoundError):
        if closed(path):
            path.rmdir()
        else:
            shutil.rmtree(path)
        files.sync_folder(path.parent)


def remove_draft(place: Place) -> None:
    """Remove what a conversion began to fill; nothing is fine. OSError."""
    remove(place.draft)
    if (indexes := place.indexes(place.draft)) is not None:
        remove(indexes)


def unlock_draft(place: Place) -> None:
    """Remove the lock files that a killed program left in the draft: nobody is at work there. OSError.

    That of a new transaction log names no process, so Dovecot would wait for it for three minutes.
    """
    for folder in filter(None, (place.draft, place.indexes(place.draft))):
        for lock in folder.rglob("*.*lock"):
            if lock.is_file():
                lock.unlink()


def size(path: Path) -> int:
    """Return the bytes of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += Path(folder, name).lstat().st_size
    return total


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders in one step (renameat2(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    hint = None
    if number in (errno.EINVAL, errno.EXDEV, errno.ENOSYS):
        hint = f"the file system of {one} cannot exchange folders (renameat2); nothing was changed"
    raise PosthouseError(f"{one} and {other} cannot be exchanged: {os.strerror(number)}", hint)
