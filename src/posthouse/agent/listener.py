"""Keep a connection to a directory in PostgreSQL, and hear what changes in it.

Everything that asks the database runs in one thread beside the event loop, one question after the other, and
has an end: a question that takes too long has its connection cut, and is answered by `Unreachable`, as is every
one while there is no connection. Once a second it is seen whether the connection lives; lost, it is made anew,
name and address of the server included. The triggers on `transport` tell of domains (NOTIFY).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from os import dup
from typing import TypeVar

import psycopg

from posthouse.agent import back
from posthouse.agent.domains import Domains
from posthouse.directory import Server, Unreachable, postgresql
from posthouse.errors import PosthouseError

T = TypeVar("T")

LOOK_SECONDS = 1.0
ECHO_LOOKS = (
    4  # until Postfix is told again that the database is back: one process may have asked another too early
)
STATEMENT_SECONDS = 5.0
MOST_SECONDS = 12.0  # for one question, all of its statements; Postfix waits 30 (milter_command_timeout)
LOOK_MOST_SECONDS = 6.0  # for a look: a server that went to another address is found there soon

log = logging.getLogger("posthouse.agent")


class Listener:
    """The agent's own connection to the directory."""

    def __init__(self, server: Server, ensure_key: Callable[[str], Awaitable[None]]) -> None:
        self.server = server
        self._domains = Domains(ensure_key)
        self._connection: postgresql.Connection | None = None
        self._changed = True
        self._said = ""  # of what is wrong
        self._tried = False
        self._echo = 0
        self._thread = ThreadPoolExecutor(1, "directory")

    async def begin(self) -> None:
        """Connect, if it can be had; the database may come later than the agent."""
        await self._attempt()

    def connection(self) -> postgresql.Connection:
        """Return the connection, to be used inside `ask` only. Raises Unreachable while there is none."""
        if self._connection is None or self._connection.closed:
            raise Unreachable(f"the directory: {self.server} is away")
        return self._connection

    async def ask(self, function: Callable[[], T]) -> T:
        """Call a function that asks the directory; raises what it raises, and Unreachable."""
        self.connection()
        return await self._in_thread(function)

    def close(self) -> None:
        """Let the database go, and whoever waits for it."""
        self._cut()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._attempt()

    async def look(self) -> None:
        """Connect where there is no connection; make missing keys if something has changed.

        Raises:
            PosthouseError: the database is away, or is not the directory.
        """
        if self._connection is None or self._connection.closed:
            self._connection = await self._in_thread(self._connected)
            self._changed = True
            if self._tried:  # it was lost, or came late
                await self._in_thread(back.announce)
                self._echo = ECHO_LOOKS
        connection = self._connection
        await self._in_thread(
            lambda: connection.execute("SELECT 1"), LOOK_MOST_SECONDS
        )  # brings what was notified
        changed, self._changed = self._changed, False
        if not self._domains.due(changed):
            return
        try:
            rows = await self._in_thread(
                lambda: connection.execute("SELECT domain FROM transport ORDER BY domain").fetchall()
            )
        except BaseException:
            self._changed = True
            raise
        await self._domains.see_to(row[0] for row in rows)

    async def _attempt(self) -> None:
        try:
            await self.look()
        except PosthouseError as error:
            if str(error) != self._said:
                log.error("the directory is away: %s", error)
            self._said = str(error)
            self._cut()
        except Exception:
            log.exception("the directory was not looked at: this is a bug")
            self._cut()
        else:
            if self._said:
                log.info("the directory answers again")
            self._said = ""
            if self._echo == 1:
                back.touch()
            self._echo = max(0, self._echo - 1)
        self._tried = True

    def _connected(self) -> postgresql.Connection:
        made = postgresql.opened(self.server, readonly=True, statement_seconds=STATEMENT_SECONDS)
        made.raw.add_notify_handler(self._heard)
        made.execute("LISTEN posthouse_directory")
        return made

    def _heard(self, _: object) -> None:
        self._changed = True

    async def _in_thread(self, function: Callable[[], T], seconds: float | None = None) -> T:
        seconds = MOST_SECONDS if seconds is None else seconds
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(self._thread, function)
        except TimeoutError:
            self._cut()
            raise Unreachable(f"the directory: {self.server} gave no answer for {seconds:.0f} s") from None

    def _cut(self) -> None:
        """Drop the connection; a thread that waits for its answer gets an error at once."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(OSError, psycopg.Error), socket.socket(fileno=dup(connection.raw.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        self._thread.submit(connection.close)
