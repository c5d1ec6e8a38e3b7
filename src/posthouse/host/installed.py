"""Whether a resident process still is the installed release of the program."""

from __future__ import annotations

from pathlib import Path

from posthouse import paths

ROOT = Path(__file__).resolve().parents[3]  # the release, or checkout, that this process began with


def is_release() -> bool:
    """Tell whether we run from a place where releases are installed, and not from a checkout."""
    return ROOT.parent == paths.PROGRAM / "releases"


def replaced() -> bool:
    """Tell whether another release than ours is the installed one; never from a checkout."""
    current = paths.PROGRAM / "current"
    return is_release() and current.exists() and current.resolve() != ROOT
