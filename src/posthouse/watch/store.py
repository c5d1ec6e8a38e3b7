"""What is banned, for how long and why, kept over restart and reboot: SQLite, root's alone.

The watch writes it, and so do `posthouse ban add` and `lift`. Each further ban of a network is longer, until it was
good for a month. A ban for unknown recipients alone does not grow: it may be a mail server with an old list of
addresses, and its mail shall come later, not never.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.watch.score import Ban, Network, SamePassword, range_of
from posthouse.watch.signs import Address

FILE = paths.WATCH / "bans.sqlite"
GROWTH = 6  # times as long as the ban before
FORGIVEN = 30 * 86_400.0  # seconds without a ban
MOST_WORKED = 20_000  # logins with their places that are remembered
OPERATOR, WATCH = "operator", "watch"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bans (network TEXT PRIMARY KEY, since REAL NOT NULL, until REAL, kind TEXT NOT NULL,
    reason TEXT NOT NULL, lines TEXT NOT NULL, author TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS past (network TEXT PRIMARY KEY, times INTEGER NOT NULL, last REAL NOT NULL);
CREATE TABLE IF NOT EXISTS lifted (network TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS in_force (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS same_password (login TEXT, address TEXT, times INTEGER NOT NULL, last REAL NOT NULL,
    PRIMARY KEY (login, address));
CREATE TABLE IF NOT EXISTS worked (login TEXT, place TEXT, last REAL NOT NULL, PRIMARY KEY (login, place));
"""


@dataclass(frozen=True)
class Banned:
    """A ban that stands. Times are POSIX seconds; `until` None: until it is lifted."""

    network: Network
    since: float
    until: float | None
    kind: str
    reason: str
    lines: tuple[str, ...]
    author: str

    def as_json(self) -> dict[str, Any]:
        """Return the documented shape."""
        return {
            "network": shown(self.network),
            "since": self.since,
            "until": self.until,
            "kind": self.kind,
            "reason": self.reason,
            "lines": list(self.lines),
            "by": self.author,
        }


@dataclass(frozen=True)
class OldPassword:
    """A device that says the same wrong password again and again; `worked`: when that login last worked from there."""

    login: str
    address: str
    times: int
    last: float
    worked: float | None


def place(address: Address) -> str:
    """Return where a device is: an IPv4 address, or the /64 of an IPv6 one, within which devices change theirs."""
    return str(address) if address.version == 4 else str(range_of(address))


def shown(network: Network) -> str:
    """Return a network as people write it: a single address without its length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


@contextmanager
def opened(path: Path = FILE) -> Iterator[Store]:
    """Open the store, made where it is not there. PosthouseError where that cannot be."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = Store(path)
    except (OSError, sqlite3.Error) as error:
        raise PosthouseError(f"{path}: the bans cannot be read: {error}") from error
    try:
        yield store
    except sqlite3.Error as error:
        raise PosthouseError(f"{path}: {error}") from error
    finally:
        store.close()


class Store:
    """The file, open."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
        path.chmod(0o600)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def version(self) -> int:
        """Return a number that changes when somebody else writes (PRAGMA data_version)."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def standing(self, now: float | None = None) -> list[Banned]:
        """Return the bans that stand, the newest first."""
        now = time.time() if now is None else now
        rows = self._db.execute(
            "SELECT network, since, until, kind, reason, lines, author FROM bans"
            " WHERE until IS NULL OR until > ? ORDER BY since DESC",
            (now,),
        )
        return [
            Banned(ip_network(net), since, until, kind, reason, tuple(json.loads(lines)), author)
            for net, since, until, kind, reason, lines, author in rows
        ]

    def ban(
        self, ban: Ban, first: float, longest: float, now: float, *, again: bool = False
    ) -> Banned | None:
        """Ban what misbehaved; None where it is banned already.

        `first`, `longest`: seconds. `again`: it did so before this process began, and may have been banned for it.
        """
        name = str(ban.network)
        times, last = self._db.execute(
            "SELECT times, last FROM past WHERE network = ?", (name,)
        ).fetchone() or (
            0,
            0.0,
        )
        # (supervisor's files tell time by the second)
        if again and ban.when <= max(last, self.lifted_at(ban.network)) + 1:
            return None
        if self._stands(ban.network, now):
            return None
        if now - last > FORGIVEN:
            times = 0
        seconds = min(first * GROWTH ** (0 if ban.mild else min(times, 20)), longest)
        made = Banned(ban.network, now, now + seconds, ban.kind, ban.reason, ban.lines, WATCH)
        self._put(made)
        self._db.execute("REPLACE INTO past VALUES (?, ?, ?)", (name, times + (not ban.mild), now))
        return made

    def add(self, network: Network, seconds: float | None, reason: str) -> Banned:
        """Ban what the operator says; `seconds` None: until it is lifted."""
        now = time.time()
        made = Banned(
            network, now, None if seconds is None else now + seconds, "operator", reason, (), OPERATOR
        )
        self._put(made)
        return made

    def lift(self, network: Network) -> list[Banned]:
        """Lift the bans of a network, of what is inside it and of what it is inside; what they did is forgotten."""
        now = time.time()
        found = [one for one in self.standing(now) if overlap(one.network, network)]
        with self._db:
            self._db.execute("BEGIN")
            for one in found:
                for table in ("bans", "past"):
                    self._db.execute(f"DELETE FROM {table} WHERE network = ?", (str(one.network),))  # noqa: S608
            for net in {network, *(one.network for one in found)}:
                self._db.execute("REPLACE INTO lifted VALUES (?, ?)", (str(net), now))
        return found

    def lifted(self) -> dict[Network, float]:
        """Return what was lifted, and when."""
        return {ip_network(net): at for net, at in self._db.execute("SELECT network, at FROM lifted")}

    def lifted_at(self, network: Network) -> float:
        """Return when a ban that touches this network was lifted last; 0 for never."""
        return max((at for net, at in self.lifted().items() if overlap(net, network)), default=0.0)

    def expire(self, now: float) -> list[Network]:
        """Take away bans whose time is over, and return them; forget what is long past."""
        gone = [
            ip_network(net)
            for (net,) in self._db.execute("SELECT network FROM bans WHERE until <= ?", (now,))
        ]
        if gone:
            self._db.execute("DELETE FROM bans WHERE until <= ?", (now,))
            self._db.execute("DELETE FROM past WHERE last < ?", (now - FORGIVEN,))
            self._db.execute("DELETE FROM lifted WHERE at < ?", (now - FORGIVEN,))
            self._db.execute("DELETE FROM same_password WHERE last < ?", (now - FORGIVEN,))
            self._db.execute("DELETE FROM worked WHERE last < ?", (now - FORGIVEN,))
        return gone

    def put_in_force(self, at: float) -> None:
        """Keep when the packet filter was made to say what stood here."""
        self._db.execute("REPLACE INTO in_force VALUES (1, ?)", (at,))

    def in_force(self) -> float:
        """Return when that was last; 0 for never."""
        found = self._db.execute("SELECT at FROM in_force").fetchone()
        return float(found[0]) if found else 0.0

    def note(self, seen: SamePassword) -> None:
        """Keep that a device says the same wrong password again and again."""
        self._db.execute(
            "INSERT INTO same_password VALUES (?, ?, ?, ?) ON CONFLICT (login, address)"
            " DO UPDATE SET times = max(times, excluded.times), last = excluded.last",
            (seen.login, str(seen.address), seen.times, seen.when),
        )

    def same_passwords(self, since: float) -> list[OldPassword]:
        """Return the devices that said an old password since then (POSIX), the latest first."""
        rows = self._db.execute(
            "SELECT login, address, times, last FROM same_password WHERE last >= ? ORDER BY last DESC",
            (since,),
        ).fetchall()
        worked = self.worked()
        return [
            OldPassword(login, address, times, last, worked.get((login, place(ip_address(address)))))
            for login, address, times, last in rows
        ]

    def has_new_password(self, login: str, address: str) -> None:
        """Forget that a device said an old password."""
        self._db.execute("DELETE FROM same_password WHERE login = ? AND address = ?", (login, address))

    def worked(self) -> dict[tuple[str, str], float]:
        """Return login and place of the logins that worked lately, and when last, the latest first."""
        rows = self._db.execute(
            "SELECT login, place, last FROM worked ORDER BY last DESC LIMIT ?", (MOST_WORKED,)
        )
        return {(login, where): last for login, where, last in rows}

    def note_worked(self, logins: Mapping[tuple[str, str], float]) -> None:
        """Keep that logins worked, each with its place."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "REPLACE INTO worked VALUES (?, ?, ?)",
                [(login, where, last) for (login, where), last in logins.items()],
            )

    def _stands(self, network: Network, now: float) -> bool:
        rows = self._db.execute("SELECT network FROM bans WHERE until IS NULL OR until > ?", (now,))
        return any(_inside(network, ip_network(net)) for (net,) in rows)

    def _put(self, made: Banned) -> None:
        self._db.execute(
            "REPLACE INTO bans VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                str(made.network),
                made.since,
                made.until,
                made.kind,
                made.reason,
                json.dumps(made.lines),
                made.author,
            ),
        )


def overlap(one: Network, other: Network) -> bool:
    """Tell whether two networks have an address in common."""
    return one.version == other.version and one.overlaps(other)


def _inside(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
