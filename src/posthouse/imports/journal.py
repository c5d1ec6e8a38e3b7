"""What was brought where, message by message: so a run that was cut off goes on, and nothing comes twice.

One SQLite file for each account, root's own, written before and after every batch. It holds digests and numbers,
no mail.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import lock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    source TEXT NOT NULL, folder TEXT NOT NULL, validity INTEGER NOT NULL, key TEXT NOT NULL,
    digest BLOB NOT NULL, flags TEXT NOT NULL,
    target TEXT NOT NULL, uid INTEGER NOT NULL,
    PRIMARY KEY (source, folder, validity, key)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS message_target ON message (target);
CREATE TABLE IF NOT EXISTS target (
    name TEXT PRIMARY KEY NOT NULL, validity INTEGER NOT NULL,
    open_from INTEGER  -- UIDs from here on may be ours without a row: a run was not finished
) STRICT;
"""


@dataclass(frozen=True)
class Entry:
    """A message that was brought: its flags at the source then, and its UID here."""

    key: str
    digest: bytes
    flags: frozenset[str]
    uid: int


@dataclass(frozen=True)
class Place:
    """A folder of a source, in the journal's terms, and the local folder that it goes to."""

    source: str
    folder: str
    validity: int
    target: str


class Journal:
    """The journal of one account, while nobody else has it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def entries(self, place: Place) -> dict[str, Entry]:
        """What was brought from a folder, by key."""
        rows = self._connection.execute(
            "SELECT key, digest, flags, uid FROM message WHERE source = ? AND folder = ? AND validity = ?"
            " AND target = ?",
            (place.source, place.folder, place.validity, place.target),
        )
        return {key: Entry(key, digest, frozenset(flags.split()), uid) for key, digest, flags, uid in rows}

    def digests(self, target: str) -> dict[int, bytes]:
        """The digest of every message that any source brought to a local folder, by UID."""
        rows = self._connection.execute("SELECT uid, digest FROM message WHERE target = ?", (target,))
        return dict(rows.fetchall())

    def size(self) -> int:
        """How many messages were brought in all."""
        return int(self._connection.execute("SELECT count(*) FROM message").fetchone()[0])

    def begin(self, target: str, validity: int, uidnext: int) -> int | None:
        """Note that messages are about to be put into a local folder.

        Return the UID from which on some may be there that the journal knows nothing of; None: there are none.
        Where the folder has another UIDVALIDITY than before, that is 1, and what was noted of it is void.
        """
        row = self._connection.execute(
            "SELECT validity, open_from FROM target WHERE name = ?", (target,)
        ).fetchone()
        unknown: int | None = row[1] if row else None
        with self._connection:
            if row and row[0] != validity:
                unknown = 1
                self._connection.execute("DELETE FROM message WHERE target = ?", (target,))
            open_from = uidnext if unknown is None else unknown
            self._connection.execute(
                "INSERT OR REPLACE INTO target (name, validity, open_from) VALUES (?, ?, ?)",
                (target, validity, open_from),
            )
        return unknown

    def add(self, place: Place, entries: Iterable[Entry]) -> None:
        """Note what was brought; on the disk when this returns."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        place.source, place.folder, place.validity, entry.key,
                        entry.digest, " ".join(sorted(entry.flags)), place.target, entry.uid,
                    )
                    for entry in entries
                ],
            )  # fmt: skip

    def forget(self, place: Place, keys: Iterable[str]) -> None:
        """Take out what is no longer at the source, nor here."""
        with self._connection:
            self._connection.executemany(
                "DELETE FROM message WHERE source = ? AND folder = ? AND validity = ? AND key = ?",
                [(place.source, place.folder, place.validity, key) for key in keys],
            )

    def end(self, target: str) -> None:
        """Note that everything that was put into a local folder is in the journal."""
        with self._connection:
            self._connection.execute("UPDATE target SET open_from = NULL WHERE name = ?", (target,))


@contextmanager
def opened(account: str, folder: Path | None = None) -> Iterator[Journal]:
    """Give the journal of an account, made where it is missing.

    Raises:
        Busy: another import into this account is running.
        PosthouseError: it cannot be written.
    """
    folder = folder or paths.IMPORTS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{account}.sqlite"
    with lock.exclusive(folder / f"{account}.lock"):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_SCHEMA)
                yield Journal(connection)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OSError) and error.filename != str(path):
                raise
            raise PosthouseError(
                f"{path}: {error}", "It remembers what was imported; restore or remove it."
            ) from error
