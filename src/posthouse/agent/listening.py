"""Unix sockets that Postfix may connect to, and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
from abc import ABC, abstractmethod
from pathlib import Path


class Listening(ABC):
    """A service on its unix socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server: asyncio.Server | None = None

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end, and close it."""

    async def start(self) -> None:
        """Listen, at 0660 from the first moment; a socket left by an earlier run goes away first. Raises OSError."""
        self.path.unlink(missing_ok=True)
        old = os.umask(0o117)
        try:
            self._server = await asyncio.start_unix_server(self.serve, self.path)
        finally:
            os.umask(old)
        with contextlib.suppress(KeyError, PermissionError):
            # The folder's group is Postfix's and set-gid, but a socket made elsewhere shall work as well.
            os.chown(self.path, -1, grp.getgrgid(self.path.parent.stat().st_gid).gr_gid)

    async def stop(self) -> None:
        """Stop listening; connections end with the loop."""
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)
