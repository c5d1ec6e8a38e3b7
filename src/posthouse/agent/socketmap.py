"""A map that Postfix asks over a unix socket (socketmap_table(5))."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from posthouse.agent.listening import Listening
from posthouse.agent.netstrings import answered


class SocketMap(Listening):
    """The service on its unix socket."""

    @abstractmethod
    async def answer(self, question: str) -> str:
        """Answer `MAP KEY` with `OK TEXT`, `NOTFOUND ` or `TEMP TEXT`."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question after the other, until Postfix goes."""
        await answered(reader, writer, self.answer)
