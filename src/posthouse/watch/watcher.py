"""From lines to bans: weighs each line, keeps what follows, and sees that the packet filter says the same."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from posthouse.errors import PosthouseError
from posthouse.host import addresses
from posthouse.mailflow.log import Line
from posthouse.watch import fail2ban, signs, store, table
from posthouse.watch.score import Ban, Network, SamePassword, Score

LOOK_SECONDS = 10.0  # between looks whether the table still stands, and at our own addresses
WORKED_SECONDS = 3600.0  # how exact it is kept when a login last worked from somewhere

log = logging.getLogger("posthouse.watch")


@dataclass(frozen=True)
class Settings:
    """As in the site file, `[bans]`: times in seconds."""

    failures: int
    first: float
    longest: float
    never: tuple[Network, ...] = ()
    fail2ban: bool = False


class Watcher:
    """The watch, without its log."""

    def __init__(self, settings: Settings, kept: store.Store) -> None:
        self.settings = settings
        self.score = Score(settings.failures, self._knows)
        self.kept = kept
        self._worked = dict(reversed(kept.worked().items()))
        self._unwritten: dict[tuple[str, str], float] = {}
        self._old = {(one.login, one.address) for one in kept.same_passwords(0.0)}
        self._never: Sequence[Network] = never(settings.never)
        self._began = time.time()
        self._lifted = kept.lifted()
        self._by_hand: list[store.Banned] = []
        self._version = -1
        self._looked = 0.0
        self._due = True  # that the table be put in place
        self._said = ""
        self._jail = fail2ban.Jail() if settings.fail2ban else None
        self._jail_said = ""

    def take(self, line: Line) -> None:
        """Weigh a line."""
        sign = signs.read(line)
        if sign is None or self._is_lifted(sign):
            return
        found = self.score.add(sign)
        try:
            if sign.kind == "good":
                self._remember(sign)
            elif isinstance(found, SamePassword):
                self.kept.note(found)
                self._old.add((found.login, str(found.address)))
            elif found is not None:
                self._ban(found)
        except sqlite3.Error as error:
            log.error("%s could not be kept: %s", found, error)

    def _knows(self, login: str, address: signs.Address) -> bool:
        return (login, store.place(address)) in self._worked

    def _remember(self, sign: signs.Sign) -> None:
        """Keep from where a login works, written now and then; a device that said an old password has the new one."""
        if (said := (sign.user, str(sign.address))) in self._old:
            self._old.discard(said)
            self.kept.has_new_password(*said)
        name = (sign.user, store.place(sign.address))
        last = self._worked.pop(name, 0.0)
        if sign.when - last >= WORKED_SECONDS:
            last = self._unwritten[name] = sign.when
        self._worked[name] = last
        while len(self._worked) > store.MOST_WORKED:
            del self._worked[next(iter(self._worked))]

    def _is_lifted(self, sign: signs.Sign) -> bool:
        """Tell whether a line from before we began is of what the operator has lifted since."""
        return sign.when < self._began and any(
            sign.address in network and sign.when <= at + 1 for network, at in self._lifted.items()
        )

    def _ban(self, ban: Ban) -> None:
        if any(_within(ban.network, net) for net in self._never):
            return
        again = ban.when < self._began
        made = self.kept.ban(ban, self.settings.first, self.settings.longest, time.time(), again=again)
        if made is not None:
            assert made.until is not None
            seconds = made.until - made.since
            log.warning("banned %s for %.0f s: %s", store.shown(made.network), seconds, made.reason)
            self._due = True

    def tick(self) -> None:
        """See to what time brings: bans that end, the operator's words, a firewall that took our table away."""
        now = time.time()
        try:
            gone = self.kept.expire(now)
            version = self.kept.version()
            if version != self._version:
                first, self._version = self._version < 0, version
                self._due = True
                if not first:
                    self._forget()
                self._tell_of_the_operators(first)
        except sqlite3.Error as error:
            log.error("the bans cannot be read: %s", error)
            return
        if gone:
            log.info("no longer banned: %s", ", ".join(map(store.shown, gone)))
            self._due = True
        if looks := abs(now - self._looked) >= LOOK_SECONDS:
            self._looked = now
            self._write()
            self._look()
        if self._due:
            self._put()
        if looks:
            self._follow(whole=True)

    def end(self) -> None:
        """Take the table away: nobody would end its bans."""
        self._write()
        try:
            table.remove()
        except PosthouseError as error:
            log.debug("%s", error)

    def _forget(self) -> None:
        newest = max(self.kept.lifted().values(), default=0.0)
        for network, at in self.kept.lifted().items():
            if at >= newest - LOOK_SECONDS:
                self.score.forget(network)

    def _write(self) -> None:
        if not self._unwritten:
            return
        try:
            self.kept.note_worked(self._unwritten)
            self._unwritten = {}
        except sqlite3.Error as error:
            log.error("from where logins work could not be kept: %s", error)

    def _look(self) -> None:
        now = never(self.settings.never)
        if now != self._never:
            self._never, self._due = now, True
        try:
            self._due = self._due or not table.is_there()
        except PosthouseError:
            self._due = True

    def _put(self) -> None:
        now = time.time()
        try:
            table.put([one.network for one in self.kept.standing(now)], self._never)
            self._follow(whole=False)
            self.kept.put_in_force(now)
        except PosthouseError as error:
            if str(error) != self._said:
                log.error("bans are not in force: %s", error)
            self._said = str(error)
        else:
            if self._said:
                log.info("bans are in force again")
            self._said = ""
        self._due = False  # the next look tries again

    def _tell_of_the_operators(self, first: bool) -> None:
        """Say of bans by hand what is said of our own."""
        said, self._by_hand = (
            self._by_hand,
            [one for one in self.kept.standing() if one.author == store.OPERATOR],
        )
        for one in self._by_hand if not first else ():
            if one not in said:
                how_long = "good" if one.until is None else f"{one.until - one.since:.0f} s"
                log.warning("banned %s for %s: by hand", store.shown(one.network), how_long)

    def _follow(self, *, whole: bool) -> None:
        """See that fail2ban's jail says the same; it may come later, or not at all."""
        if self._jail is None:
            return
        try:
            banned = [one.network for one in self.kept.standing()]
            self._jail.follow(fail2ban.barred(banned, self._never), whole=whole)
        except PosthouseError as error:
            if str(error) != self._jail_said:
                log.error("fail2ban does not take up the bans: %s", error)
            self._jail_said = str(error)
        else:
            self._jail_said = ""


def never(configured: Sequence[Network]) -> list[Network]:
    """Return what is never banned: the machine's own addresses, and what the site file says."""
    own = [ip_network(address) for address in addresses.own()]
    return [ip_network("127.0.0.0/8"), ip_network("::1"), *own, *configured]


def _within(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
