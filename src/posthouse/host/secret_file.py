"""Passwords that the operator wrote into a file for root only."""

from __future__ import annotations

from pathlib import Path

from posthouse.errors import UsageError


def read_password(path: Path, key: str) -> str:
    """Return the one line of a password file; `key` of the site file names it.

    UsageError where it is not there, not for root only, or not that.
    """
    name = f"{key}: {path}"
    try:
        found = path.stat()
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{name}: {why}", "Write the password into it, for root only.") from error
    if found.st_uid != 0 or found.st_mode & 0o077:
        raise UsageError(
            f"{name}: others than root may read or change it", f"chown root {path}; chmod 600 {path}"
        )
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or not password.isprintable():
        raise UsageError(f"{name}: expected one line, the password", "Write it as one line of plain text.")
    return password
