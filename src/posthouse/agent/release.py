"""A resident process notices that another release of the program was installed."""

from __future__ import annotations

import asyncio
import logging

from posthouse.host import installed

LOOK_SECONDS = 2.0


async def replaced(end: asyncio.Event) -> bool:
    """Set `end` once another release is the installed one; True then."""
    if not installed.is_release():
        return False
    while not installed.replaced():
        await asyncio.sleep(LOOK_SECONDS)
    logging.info("another release was installed: going on with that")
    end.set()
    return True
