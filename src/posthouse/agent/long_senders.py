"""Senders too long, or too strange, to stand in a rewritten address: kept until no bounce can come any more.

Providers send from addresses of sixty letters; with what SRS adds, the local part would be longer than the 64 that
a receiver must take (RFC 5321 section 4.5.3.1.1). So a short token stands for each, in one SQLite file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from posthouse.agent.srs import MAX_AGE

TOKEN_LENGTH = 20


class LongSenders:
    """The file at `path`, made where it is not there; `day` counts from 1970. All of it raises sqlite3.Error."""

    def __init__(self, path: Path, day: Callable[[], int]) -> None:
        self.path = path
        self.day = day

    def put(self, sender: str) -> str:
        """Keep a sender, from today on, and return its token, always the same; what is too old goes."""
        token, today = hashlib.sha256(sender.encode()).hexdigest()[:TOKEN_LENGTH], self.day()
        with closing(self._opened()) as database, database:
            database.execute("INSERT OR REPLACE INTO sender VALUES (?, ?, ?)", (token, sender, today))
            database.execute("DELETE FROM sender WHERE day < ?", (today - MAX_AGE - 1,))
        return token

    def get(self, token: str) -> str | None:
        """Return the sender of a token, None where it is not known."""
        with closing(self._opened()) as database:
            row = database.execute("SELECT sender FROM sender WHERE token = ?", (token,)).fetchone()
        return row and str(row[0])

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=5)
        database.execute(
            "CREATE TABLE IF NOT EXISTS sender (token TEXT PRIMARY KEY, sender TEXT, day INTEGER)"
        )
        return database
