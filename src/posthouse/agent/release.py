"""A resident process notices that another release of the program was installed."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from posthouse import paths

ROOT = Path(__file__).resolve().parents[3]  # the release, or checkout, that this process began with
LOOK_SECONDS = 2.0


async def replaced(end: asyncio.Event) -> bool:
    """Set `end` once another release is the installed one; True then."""
    installed = paths.PROGRAM / "current"
    if ROOT.parent != paths.PROGRAM / "releases":
        return False  # a checkout
    while not installed.exists() or installed.resolve() == ROOT:
        await asyncio.sleep(LOOK_SECONDS)
    logging.info("another release was installed: going on with that")
    end.set()
    return True
