"""Teach the filter a whole folder: said again it goes on where it ended, and nothing is learned twice.

How far each folder was taught stands in a file for the account, by UID; what the filter was taught by another way it
knows by itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import lock
from posthouse.host.files import write_atomic
from posthouse.spam.folder import Mailbox
from posthouse.spam.model import Filter, Kind, Silent

_EVERY = 50  # messages between two notes of how far it came


@dataclass(frozen=True)
class Count:
    """What became of the messages of a folder: `there` is the sum of the others."""

    there: int
    learned: int
    known: int
    short: int
    refused: int


class Notes:
    """How far the folders of an account were taught, on the disk."""

    def __init__(self, account: str, folder: Path = paths.LEARNED) -> None:
        self.path = folder / f"{account}.json"
        self._notes = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise PosthouseError(
                f"{self.path}: expected JSON: {error}",
                "Remove it: the filter itself knows what it has learned.",
            ) from error
        return found if isinstance(found, dict) else {}

    def until(self, kind: Kind, folder: str, validity: int) -> int:
        """The UID up to which a folder was taught as this kind; 0: not yet."""
        note = self._notes.get(folder, {})
        return int(note["uid"]) if (note.get("kind"), note.get("validity")) == (kind, validity) else 0

    def set(self, kind: Kind, folder: str, validity: int, uid: int) -> None:
        """Note it."""
        self._notes[folder] = {"kind": kind, "validity": validity, "uid": uid}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self.path, json.dumps(self._notes, indent=1).encode(), mode=0o600)


def teach(
    chain: Filter,
    kind: Kind,
    mailbox: Mailbox,
    folder: str,
    notes: Notes,
    advance: Callable[[int], None],
    *,
    again: bool = False,
) -> Count:
    """Teach all messages of a folder; `advance` is told how many more are done. `again`: those of before as well.

    Raises:
        Silent: the filter stopped answering; how far it came is noted.
        UsageError: there is no such folder.
        Busy: the same account is being taught by another.
    """
    with lock.exclusive(notes.path.with_suffix(".lock")):
        validity = mailbox.open(folder)
        uids = mailbox.uids()
        done = 0 if again else notes.until(kind, folder, validity)
        rest = [uid for uid in uids if uid > done]
        counts = Counter(known=len(uids) - len(rest))
        advance(counts["known"])
        last, noted = done, done
        try:
            for turn, (uid, message) in enumerate(mailbox.messages(rest), start=1):
                counts[_taught(chain, kind, message)] += 1
                last = uid
                advance(1)
                if turn % _EVERY == 0:
                    notes.set(kind, folder, validity, last)
                    noted = last
        finally:
            if last != noted or done != last:
                notes.set(kind, folder, validity, last)
    parts = {name: counts[name] for name in ("learned", "known", "short", "refused")}
    return Count(there=sum(parts.values()), **parts)


def _taught(chain: Filter, kind: Kind, message: bytes) -> str:
    try:
        return chain.teach(kind, message)
    except Silent:
        raise
    except PosthouseError:
        return "refused"
