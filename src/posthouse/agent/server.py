"""A server of the milter protocol on a unix socket: one session a connection, packets in, packets out.

Whatever a session cannot answer ends its connection, which is "try again later" to Postfix
(`milter_default_action = tempfail`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from posthouse.agent import wire
from posthouse.agent.listening import Listening

IDLE_SECONDS = 3600.0

log = logging.getLogger("posthouse.agent")


class Session(Protocol):
    """One connection of Postfix."""

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""

    async def close(self) -> None:
        """Give back what it holds: Postfix has gone."""


class Server(Listening):
    """The server on its unix socket, and its sessions."""

    def __init__(self, session: Callable[[], Session], path: Path) -> None:
        super().__init__(path)
        self.session = session
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Stop listening and end every session."""
        await super().stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def sessions(self) -> int:
        """The number of open connections."""
        return len(self._tasks)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of Postfix; what cannot be answered ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = self.session()
        try:
            await _talk(session, reader, writer)
        except wire.ProtocolError as error:
            log.error("closed a connection: %s", error)
        except (OSError, EOFError, TimeoutError):
            pass  # Postfix has gone, as it does at the end of each session
        except Exception:
            log.exception("closed a connection: this is a bug")
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await session.close()
                await writer.wait_closed()


async def _talk(session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            length = int.from_bytes(await reader.readexactly(4), "big")
            if not 1 <= length <= wire.MAX_PACKET:
                raise wire.ProtocolError(f"a packet of {length} bytes")
            body = await reader.readexactly(length)
        if body[:1] == wire.QUIT:
            return
        if out := await session.answer(body[:1], body[1:]):
            writer.write(out)
            await writer.drain()
