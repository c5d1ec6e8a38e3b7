"""The secrets by which rewritten senders are known as ours: one in each line, the first of which signs."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def load(path: Path) -> list[bytes]:
    """Read them; a file that is missing or empty is made first (0600, synced). Raises OSError."""
    found = path.read_bytes().split() if path.exists() else []
    if found:
        return found
    made = secrets.token_hex(32).encode()
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return [made]
