"""What strangers say, so that it can be shown."""

from __future__ import annotations


def printable(text: str, most: int = 300) -> str:
    """Return a stranger's text as one short line that no terminal can stumble over."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
