"""Where the daemons read the certificate: two links that lead through a third to a folder with a matching pair.

So one rename changes certificate and key together, and a cut leaves the one or the other. Folders are named by where
the pair comes from (`self-signed-`, `acme-`, `files-`), the day, and chance. A `current` that leads anywhere else is
somebody's own doing.
"""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.tls.pair import CHAIN, KEY

CURRENT = "current"
Kind = Literal["self-signed", "acme", "files"]


def kind(folder: Path = paths.TLS) -> Kind | Literal["foreign", "none"]:
    """Tell where the pair in use comes from; "foreign": somebody put it there by hand."""
    current = folder / CURRENT
    if not current.is_symlink():
        return "none"
    target = os.readlink(current)  # noqa: PTH115 - the text itself tells whose it is
    for one in ("self-signed", "acme", "files"):
        if target.startswith(f"{one}-"):
            return one
    return "foreign"


def newest(kind: Kind, folder: Path = paths.TLS) -> Path | None:
    """Return the folder of the newest pair of a kind that was ever put here and still is."""
    found = [path for path in folder.glob(f"{kind}-*") if (path / CHAIN).is_file() and (path / KEY).is_file()]
    return max(found, key=lambda path: (path / CHAIN).stat().st_mtime_ns, default=None)


def put(kind: Kind, chain: bytes, key: bytes, folder: Path = paths.TLS) -> None:
    """Have the daemons read this pair from now on. PosthouseError where the folder cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f"{kind}-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"
        fresh.mkdir(mode=0o700)
        _write(fresh / KEY, key)
        _write(fresh / CHAIN, chain)
        _sync(fresh)
        lead(fresh, folder)
    except OSError as error:
        raise PosthouseError(f"{error.filename or folder}: {error.strerror}", "run this as root") from error


def links(folder: Path = paths.TLS) -> None:
    """Have both files lead through `current`. OSError."""
    _link(folder / CHAIN, f"{CURRENT}/{CHAIN}")
    _link(folder / KEY, f"{CURRENT}/{KEY}")


def lead(pair: Path, folder: Path = paths.TLS) -> None:
    """Let `current` lead to a pair below `folder`, and remove older ones of its kind. OSError."""
    links(folder)
    _link(folder / CURRENT, pair.name, replace=True)
    _sync(folder)
    for old in folder.glob(f"{pair.name.rpartition('-')[0].rpartition('-')[0]}-*"):
        if old.name != pair.name:
            shutil.rmtree(old, ignore_errors=True)


def _link(path: Path, target: str, *, replace: bool = False) -> None:
    """Make a symlink atomically; one that is there already stays unless it is to be replaced."""
    if not replace and (path.is_symlink() or path.exists()):
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
