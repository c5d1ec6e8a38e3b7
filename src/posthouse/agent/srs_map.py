"""Tells Postfix for whom a bounce to a rewritten sender is: a socketmap service (socketmap_table(5)).

Postfix asks only for addresses that begin as ours do (main.cf), so mail to anybody else never waits for it. Two
maps: `reverse` gives the sender (virtual_alias_maps), `access` what to answer to RCPT (access(5)).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path

from posthouse.agent.listening import listen
from posthouse.agent.netstrings import answered
from posthouse.agent.srs import Forged, Srs

log = logging.getLogger("posthouse.agent")


class SrsMap:
    """The service on its unix socket."""

    def __init__(self, path: Path, srs: Srs) -> None:
        self.path = path
        self.srs = srs
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await listen(self._session, self.path)

    async def stop(self) -> None:
        """Stop listening; sessions end with the loop."""
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)

    def answer(self, question: str) -> str:
        """Answer `MAP ADDRESS`."""
        name, _, address = question.partition(" ")
        try:
            sender = self.srs.reverse(address)
        except Forged as error:
            return f"OK 550 5.1.1 {error}" if name == "access" else "NOTFOUND "
        except sqlite3.Error as error:
            log.error("senders that were kept cannot be read: %s", error)
            return "TEMP senders that were kept cannot be read now"
        return "OK DUNNO" if name == "access" else f"OK {sender}"

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(question: str) -> str:
            return self.answer(question)

        await answered(reader, writer, answer)
