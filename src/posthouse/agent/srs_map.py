"""Tells Postfix for whom a bounce to a rewritten sender is: a socketmap service (socketmap_table(5)).

Postfix asks only for addresses that begin as ours do (main.cf), so mail to anybody else never waits for it. Two
maps: `reverse` gives the sender (virtual_alias_maps), `access` what to answer to RCPT (access(5)).
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from posthouse.agent.socketmap import SocketMap
from posthouse.agent.srs import Forged, Srs

log = logging.getLogger("posthouse.agent")


class SrsMap(SocketMap):
    """The maps of rewritten senders."""

    def __init__(self, path: Path, srs: Srs) -> None:
        super().__init__(path)
        self.srs = srs

    async def answer(self, question: str) -> str:
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
