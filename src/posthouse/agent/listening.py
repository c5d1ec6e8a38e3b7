"""A unix socket that Postfix may connect to, and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(session: Session, path: Path) -> asyncio.Server:
    """Listen at `path`, 0660 from its first moment; a socket left by an earlier run goes away first.

    Raises OSError.
    """
    path.unlink(missing_ok=True)
    old = os.umask(0o117)
    try:
        server = await asyncio.start_unix_server(session, path)
    finally:
        os.umask(old)
    with contextlib.suppress(KeyError, PermissionError):
        # The folder's group is Postfix's and set-gid, but a socket made elsewhere shall work as well.
        os.chown(path, -1, grp.getgrgid(path.parent.stat().st_gid).gr_gid)
    return server
