"""What a purge kept of a mail service that was here before: the new one takes it over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from posthouse import paths
from posthouse.directory import backend
from posthouse.host import files
from posthouse.host.packages import brought
from posthouse.ops.database import PASSWORDS
from posthouse.ops.purge.way import KEPT, PACKAGES_ARE_OURS, STATE

_OWNERS = {
    paths.DIRECTORY: (paths.AGENT_USER, paths.DIRECTORY_GROUP),
    paths.DKIM: (paths.AGENT_USER, paths.DKIM_GROUP),
    paths.SRS: (paths.AGENT_USER, paths.AGENT_USER),
    paths.TLS: ("root", "root"),
    paths.ACME: ("root", "root"),
}


def directory() -> Literal["sqlite", "postgresql"] | None:
    """Return the kind of the database that a purge kept on this host; None where there is none."""
    where = _place()
    if isinstance(where, Path):
        return "sqlite"
    return "postgresql" if where is not None and where.is_local else None


def _place() -> backend.Place | None:
    kept = STATE[paths.DIRECTORY]
    try:
        return backend.parse((kept / backend.file().name).read_text())
    except OSError:
        return paths.DIRECTORY_DB if (kept / paths.DIRECTORY_DB.name).exists() else None


def take_over() -> None:
    """Move directory, keys and certificate back to their places, and give them to whom they belong now.

    What is in its place already stays. Cut off anywhere, the next call goes on. OSError.
    """
    if PACKAGES_ARE_OURS.exists():
        brought.remember(PACKAGES_ARE_OURS.read_text().split())
    secrets = KEPT / PASSWORDS.name
    if secrets.exists() and not PASSWORDS.exists():
        files.write_atomic(PASSWORDS, secrets.read_bytes(), mode=0o600)
    in_sqlite = isinstance(_place(), Path)
    for place, kept in STATE.items():
        if not kept.is_dir():
            continue
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        # -wal and -shm of the directory before the file that they belong to
        for item in sorted(kept.iterdir(), key=lambda path: (path.suffix == ".sqlite", path.name)):
            target = place / item.name
            # Passwords of database roles, for one, are made anew; and an SQLite file beside a PostgreSQL is of earlier.
            if os.path.lexists(target) or (
                place == paths.DIRECTORY and not (_is_database(item) and in_sqlite)
            ):
                continue
            _give(item, *_OWNERS[place])
            item.rename(target)
        shutil.rmtree(kept)


def _is_database(path: Path) -> bool:
    return path.name.startswith(paths.DIRECTORY_DB.name)


def _give(path: Path, owner: str, group: str) -> None:
    for item in [path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())]:
        if not item.is_symlink():
            shutil.chown(item, owner, group)
