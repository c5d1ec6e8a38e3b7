"""How much an account, a client's address and a Unix user may send: what is more is held in the queue, not lost.

A stolen password is used for thousands of messages to people who never had one from here. Counted are messages, their
recipients, and recipients that this account never wrote to before; in the last hour and in the last day. What is held
does not count, so that the rest goes on as time passes; and what the operator releases from the queue does not come
here again. Of mail that programs of a Unix user write (`sendmail`) recipients in an hour are counted, under a name that
no account can have. One SQLite file, which outlasts the agent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0
SAMPLES = 10
KEPT = 400 * DAY  # recipients that nobody wrote to for longer are new again
UNIX = "Unix user "  # a login of ours has no space in it
GONE, HELD, SPAM = range(3)  # in the column `held`

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (login TEXT, address TEXT, at REAL, recipients INTEGER, held INTEGER, subject TEXT,
    queue_id TEXT);
CREATE INDEX IF NOT EXISTS sent_login ON sent (login, at);
CREATE INDEX IF NOT EXISTS sent_address ON sent (address, at);
CREATE TABLE IF NOT EXISTS known (login TEXT, recipient TEXT, first REAL, last REAL, PRIMARY KEY (login, recipient))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_first ON known (login, first);
CREATE TABLE IF NOT EXISTS told (login TEXT PRIMARY KEY, at REAL);
"""


@dataclass(frozen=True)
class Limits:
    """Of an account; a client's address may send `per_address` times as much. `local_recipients_hour`: of a Unix user.

    0: no limit.
    """

    messages_hour: int
    messages_day: int
    recipients_hour: int
    recipients_day: int
    new_recipients_day: int
    per_address: int
    local_recipients_hour: int = 0

    @classmethod
    def read(cls, text: str) -> Limits:
        """Read them as the agent's command line has them: numbers, joined by commas. ValueError, TypeError.

        An earlier generation does not say the last one.
        """
        return cls(*map(int, text.split(",")))

    def of(self, login: str) -> Limits:
        """Return those that hold for a login, or for a Unix user."""
        if login.startswith(UNIX):
            return Limits(0, 0, self.local_recipients_hour, 0, 0, 0)
        return self


@dataclass(frozen=True)
class Sample:
    """A message that was held."""

    at: float
    address: str
    recipients: int
    subject: str
    queue_id: str


class Sending:
    """What was sent, in the file at `path`, made where it is not there. All of it raises sqlite3.Error."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.limits = limits
        self._db = sqlite3.connect(path, timeout=5, isolation_level=None)
        # Each count is safe from our own death at once, and from a power cut after a moment.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._tidied = 0.0

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def judge(
        self,
        login: str,
        address: str,
        recipients: Iterable[str],
        now: float,
        subject: str = "",
        queue_id: str = "",
    ) -> str:
        """Count a message; return why it is to be held, "" where it may go.

        `address` is the client's, "" for none; `now` POSIX seconds.
        """
        people = {recipient.lower() for recipient in recipients}
        why = self._too_much(login, address, people, now)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            row = (login, address, now, len(people), int(bool(why)), subject[:100], queue_id)
            self._db.execute("INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if not why:
                self._db.executemany(
                    "INSERT INTO known VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (login, recipient) DO UPDATE SET last = excluded.last",
                    [(login, one, now, now) for one in people if not login.startswith(UNIX)],
                )
            if abs(now - self._tidied) > HOUR:
                self._tidied = now
                self._db.execute("DELETE FROM sent WHERE at < ? OR at > ?", (now - DAY, now + DAY))
                self._db.execute("DELETE FROM known WHERE last < ?", (now - KEPT,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return why

    def spam(self, login: str, queue_id: str) -> None:
        """Note that the newest message with this queue id was held as spam; it does not count."""
        self._db.execute(
            "UPDATE sent SET held = ? WHERE rowid = (SELECT max(rowid) FROM sent WHERE login = ? AND queue_id = ?)",
            (SPAM, login, queue_id),
        )

    def burst(self, login: str, now: float, least: int = HELD) -> list[Sample]:
        """Return samples of what was held of a login, where the postmaster is to be told: once a day; else none.

        `least`: SPAM for what was held as that.
        """
        told = self._db.execute("SELECT at FROM told WHERE login = ?", (_told(login, least),)).fetchone()
        if told and now - DAY < told[0] <= now:
            return []
        rows = self._db.execute(
            "SELECT at, address, recipients, subject, queue_id FROM sent WHERE login = ? AND held >= ? AND at > ?"
            " ORDER BY at DESC, rowid DESC LIMIT ?",
            (login, least, now - DAY, SAMPLES),
        )
        return [Sample(*row) for row in rows][::-1]

    def told(self, login: str, now: float, least: int = HELD) -> None:
        """Keep that the postmaster was told of this login."""
        self._db.execute("REPLACE INTO told VALUES (?, ?)", (_told(login, least), now))

    def addresses(self, login: str, now: float) -> list[str]:
        """Return the addresses that a login sent from in the last day."""
        rows = self._db.execute(
            "SELECT DISTINCT address FROM sent WHERE login = ? AND at > ?", (login, now - DAY)
        )
        return [address for (address,) in rows if address]

    def _too_much(self, login: str, address: str, people: set[str], now: float) -> str:
        limits = self.limits.of(login)
        bounds = (
            ("an hour", HOUR, limits.messages_hour, limits.recipients_hour),
            ("a day", DAY, limits.messages_day, limits.recipients_day),
        )
        for who, column, times in ((login, "login", 1), (address, "address", limits.per_address)):
            if not who:
                continue
            for length, seconds, messages, recipients in bounds:
                sent, reached = self._db.execute(
                    f"SELECT count(*), coalesce(sum(recipients), 0) FROM sent"  # noqa: S608 - our own column's name
                    f" WHERE {column} = ? AND at > ? AND at <= ? AND NOT held",
                    (who, now - seconds, now),
                ).fetchone()
                if messages * times and sent + 1 > messages * times:
                    return f"more than {messages * times} messages in {length} from {who}"
                if recipients * times and reached + len(people) > recipients * times:
                    return f"more than {recipients * times} recipients in {length} from {who}"
        if limits.new_recipients_day:
            new = sum(not self._knows(login, one) for one in people)
            (before,) = self._db.execute(
                "SELECT count(*) FROM known WHERE login = ? AND first > ? AND first <= ?",
                (login, now - DAY, now),
            ).fetchone()
            if new and before + new > limits.new_recipients_day:
                return f"more than {limits.new_recipients_day} new recipients in a day from {login}"
        return ""

    def _knows(self, login: str, recipient: str) -> bool:
        found = self._db.execute("SELECT 1 FROM known WHERE login = ? AND recipient = ?", (login, recipient))
        return found.fetchone() is not None


def _told(login: str, least: int) -> str:
    return f"{login} spam" if least == SPAM else login
