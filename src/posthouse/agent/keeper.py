"""Keep a directory in SQLite open, and see what changes in it.

SQLite in WAL mode needs a writer that is there before the readers and leaves after them: when the last
connection closes, -wal and -shm vanish, and readers that may only read by group cannot make them again
(sqlite.org/wal.html, "Read-Only Databases"). The agent is that writer; and it holds the file
(`directory.hold`) with a descriptor that it gives to systemd to keep, for the time between its stop and its
next start. It also looks once a second whether somebody changed the database (PRAGMA data_version) and makes
the keys of domains that appeared.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from posthouse.agent.domains import Domains
from posthouse.agent.notify import notify
from posthouse.directory import hold, translated
from posthouse.errors import PosthouseError

T = TypeVar("T")

LOOK_SECONDS = 1.0
TIDY_SECONDS = 300.0

log = logging.getLogger("posthouse.agent")


class Keeper:
    """The agent's own connection to the directory."""

    def __init__(
        self,
        path: Path,
        open_writer: Callable[[], sqlite3.Connection],
        ensure_key: Callable[[str], Awaitable[None]],
    ) -> None:
        self.path = path
        self._open_writer = open_writer
        self._domains = Domains(ensure_key)
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._version = -1
        self._dirty = False

    async def begin(self) -> None:
        """Open the directory. Raises OSError or PosthouseError."""
        self.open()

    async def ask(self, function: Callable[[], T]) -> T:
        """Call a function that asks the directory; a file answers at once."""
        return function()

    def open(self) -> None:
        """Open the directory for writing and hold it. Raises OSError or PosthouseError.

        Its schema is looked at, and that makes -wal and -shm, before any reader comes.
        """
        stat = self.path.stat()
        self._connection, self._identity = self._open_writer(), (stat.st_dev, stat.st_ino)
        self._version = -1
        # Never closed here: that would drop the locks of our own connection (see directory.hold).
        notify("FDSTOREREMOVE=1\nFDNAME=directory")
        notify("FDSTORE=1\nFDNAME=directory", hold.hold(self.path))

    def connection(self) -> sqlite3.Connection:
        """Return the open connection. Raises PosthouseError while there is none."""
        if self._connection is None:
            raise PosthouseError(f"{self.path}: the directory is not open")
        return self._connection

    def close(self) -> None:
        """Let the directory go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def run(self) -> None:
        """Look and tidy until cancelled."""
        clock = asyncio.get_running_loop().time
        tidy = clock() + TIDY_SECONDS
        while True:
            try:
                await self.look()
                if self._dirty and clock() >= tidy:
                    with translated():
                        self.connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    self._dirty, tidy = False, clock() + TIDY_SECONDS
            except (OSError, PosthouseError) as error:
                log.error("the directory is away: %s", error)
                self.close()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Reopen a directory that was lost; make missing keys if something has changed."""
        stat = os.stat(self.path)  # noqa: PTH116
        if self._connection is not None and (stat.st_dev, stat.st_ino) != self._identity:
            log.error("another file stands at %s: opening that one", self.path)
            self.close()
        if self._connection is None:
            self.open()
        connection = self.connection()
        with translated():
            version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        if not self._domains.due(version != self._version):
            return
        self._dirty = self._dirty or version != self._version
        self._version = version
        with translated():
            domains = connection.execute("SELECT domain FROM transport ORDER BY domain").fetchall()
        await self._domains.see_to(domain for (domain,) in domains)
