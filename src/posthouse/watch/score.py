"""Who is to be banned: the signs of the last hour, address by address, weighed. Pure; time is that of the log.

A wrong password counts once, however often it is said again: that is how a telephone with an old password behaves,
and it guesses nothing. Only when it is said very often it counts a little, for the work that it makes; where the same
login worked from there before (`known`), it is an old password for sure, and does not even do that. A login that works
takes back what the same address did wrong with the same login.

By CRAM-MD5 and SCRAM the password itself does not come, so nobody can tell whether it is the same again. A mail program
tries one mechanism after the other; so such a try, with one of the same login beside it whose password can be told, is
taken for the same attempt: wholly once for each password that was told, and by half from then on, since whoever guesses
could do so too; by a tenth where the login worked before.

When very many addresses fail to log in, each a few times, somebody tries a list of stolen passwords from machines
that are not his. For as long as that lasts an address from which none of its logins ever worked has fewer tries.

A range (the /24 of an IPv4 address, the /64 of an IPv6 one) is banned when several of its addresses misbehaved. The
owner of an IPv6 network has all of its /64, and may come from another address each time: each may do little there.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import inf
from typing import Literal

from posthouse.watch.signs import Address, Sign

Network = IPv4Network | IPv6Network

WINDOW = 3600.0  # seconds
RECIPIENTS = 20  # different addresses that are not here; the others count as half a failure each
SLOW = 20  # connections that said nothing in time, each of which took minutes: half a failure each, too
REPEATS = 20  # of the same wrong password count as one failure
ATTEMPT = (
    60.0  # seconds between two mechanisms that one attempt tries: Dovecot lets who failed wait up to 17 s
)
UNTOLD = 10  # tries in such attempts count as one failure, where that login worked before
SAME_AGAIN = 5  # times the same wrong password: said to the operator
OLD = 2  # the same, where that login worked before
CROWD = 30  # addresses with a failed login within an hour: somebody tries stolen passwords from many
NEIGHBOURS = 3  # banned ones in a /24, or misbehaving ones in a /64
MANY_NEIGHBOURS = 5  # that did a little each
PAUSE = 60.0  # seconds between two looks at a range that was found due
MOST_SIGNS = 400  # kept of an address
MOST_ADDRESSES = 20_000  # kept; the one that was quiet longest goes first
EVIDENCE = 10  # lines kept with a ban


@dataclass(frozen=True)
class Ban:
    """A network to be banned, and why. `mild`: for unknown recipients only, as a mailing list's host may ask for."""

    network: Network
    kind: Literal["address", "range"]
    reason: str
    lines: tuple[str, ...]
    when: float
    mild: bool = False


@dataclass(frozen=True)
class SamePassword:
    """A device says the same wrong password again and again."""

    login: str
    address: Address
    times: int
    when: float


@dataclass
class _Tally:
    address: Address
    signs: deque[Sign] = field(default_factory=deque)
    banned: float = -inf  # when

    def add(self, sign: Sign) -> None:
        """Keep one more; of too many the oldest goes that others repeat, so that no flood of one hides the others."""
        self.signs.append(sign)
        while self.signs[0].when < sign.when - WINDOW:
            self.signs.popleft()
        if len(self.signs) > MOST_SIGNS:
            said = Counter(map(_said, self.signs))
            again = (n for n, one in enumerate(self.signs) if said[_said(one)] > 1 and not _is_untold(one))
            del self.signs[next(again, 0)]


class Score:
    """The signs of the last hour.

    Args:
        failures: how many ban an address.
        known: whether a login worked from an address, in the weeks before.
    """

    def __init__(self, failures: int, known: Callable[[str, Address], bool] = lambda *_: False) -> None:
        self.failures = failures
        self._known = known
        self._tallies: OrderedDict[Address, _Tally] = OrderedDict()
        self._ranges: dict[Network, set[Address]] = {}
        self._due: dict[Network, float] = {}  # ranges that were found due, and when
        self._failing: OrderedDict[Address, float] = OrderedDict()  # who failed to log in, and when last

    def add(self, sign: Sign) -> Ban | SamePassword | None:
        """Weigh one more sign; return what follows from it."""
        tally = self._tally(sign.address)
        if sign.kind == "good":
            kept = [one for one in tally.signs if one.user != sign.user or one.kind not in ("auth", "login")]
            tally.signs = deque(kept)
            return None
        tally.add(sign)
        points, mild = self._points(tally)
        if points >= self._limit(sign, tally):
            tally.banned = sign.when
            found: Ban = _ban(sign, tally, mild)
            found = self._range(sign) or found
            tally.signs.clear()  # after the ban it begins anew
            return found
        return self._range(sign) or self._same_password(sign, tally)

    def _limit(self, sign: Sign, tally: _Tally) -> float:
        """Return how much an address may do."""
        if sign.kind not in ("auth", "login"):
            return self.failures
        self._failing[sign.address] = sign.when
        self._failing.move_to_end(sign.address)
        while len(self._failing) > MOST_ADDRESSES or (
            next(iter(self._failing.values())) < sign.when - WINDOW
        ):
            self._failing.popitem(last=False)
        failed = {one.user for one in tally.signs if one.kind in ("auth", "login")}
        if len(self._failing) < CROWD or any(self._known(user, sign.address) for user in failed):
            return self.failures
        return min(self.failures, max(3, self.failures / 3))

    def forget(self, network: Network) -> None:
        """Let everything that these addresses did be undone: the operator lifted a ban."""
        for address in [one for one in self._tallies if one in network]:
            self._drop(address)
        self._due.clear()

    def _points(self, tally: _Tally) -> tuple[float, bool]:
        """Return how much an address did, and whether that was nothing but unknown recipients."""
        auth = [sign for sign in tally.signs if sign.kind == "auth"]
        marked = [(sign.user, sign.mark) for sign in auth if sign.mark]
        different = len(set(marked))
        new = [one for one in marked if not self._known(one[0], tally.address)]
        again = (len(new) - len(set(new))) // REPEATS
        # Both processes tell of the same failures; the one in front may have seen some that the other did not.
        unseen = max(0, sum(sign.weight for sign in tally.signs if sign.kind == "login") - len(auth))
        guesses = self._untold(auth, tally.address) + different + again + unseen
        relay = sum(sign.kind == "relay" for sign in tally.signs)
        recipients = len({sign.mark for sign in tally.signs if sign.kind == "recipient"})
        slow = sum(sign.kind == "slow" for sign in tally.signs)
        points = guesses + relay + recipients * self.failures / RECIPIENTS + slow * self.failures / SLOW
        return points, not guesses and not relay

    def _untold(self, auth: list[Sign], address: Address) -> float:
        """Return how much the tries count of which no password can be told."""
        beside: set[int] = set()
        for order in (range(len(auth)), reversed(range(len(auth)))):
            told: dict[str, float] = {}
            for n in order:
                if auth[n].mark:
                    told[auth[n].user] = auth[n].when
                elif abs(auth[n].when - told.get(auth[n].user, -inf)) <= ATTEMPT:
                    beside.add(n)
        alone = sum(map(_is_untold, auth)) - len(beside)
        old = sum(self._known(auth[n].user, address) for n in beside)
        attempts = {(one.user, one.mark) for one in auth if one.mark and not self._known(one.user, address)}
        return alone + max(0, len(beside) - old - len(attempts)) / 2 + old / UNTOLD

    def _range(self, sign: Sign) -> Ban | None:
        around = range_of(sign.address)
        if sign.when - self._due.get(around, -inf) < PAUSE:
            return None  # with thousands of members each look costs
        members = {address: self._tallies[address] for address in self._ranges[around]}
        banned = {a for a, tally in members.items() if tally.banned >= sign.when - WINDOW}
        recent = {
            a: tally
            for a, tally in members.items()
            if a in banned or (tally.signs and tally.signs[-1].when >= sign.when - WINDOW)
        }
        points = {a: float(self.failures) if a in banned else self._points(t)[0] for a, t in recent.items()}
        bad = [address for address, one in points.items() if one >= 1]
        total = sum(points.values())
        if around.version == 6:
            due = len(bad) >= NEIGHBOURS and total >= self.failures
        else:
            due = len(banned) >= NEIGHBOURS or (len(bad) >= MANY_NEIGHBOURS and total >= 3 * self.failures)
        if not due:
            return None
        self._due[around] = sign.when
        lines = [recent[address].signs[-1].text for address in bad if recent[address].signs][-EVIDENCE:]
        reason = f"{len(bad)} of its addresses misbehaved within an hour"
        return Ban(around, "range", reason, tuple(lines), sign.when)

    def _tally(self, address: Address) -> _Tally:
        if address not in self._tallies:
            while len(self._tallies) >= MOST_ADDRESSES:
                self._drop(next(iter(self._tallies)))
            self._tallies[address] = _Tally(address)
            self._ranges.setdefault(range_of(address), set()).add(address)
        self._tallies.move_to_end(address)
        return self._tallies[address]

    def _same_password(self, sign: Sign, tally: _Tally) -> SamePassword | None:
        if sign.kind != "auth" or not sign.mark:
            return None
        said = (sign.user, sign.mark)
        times = sum((one.user, one.mark) == said for one in tally.signs if one.kind == "auth")
        enough = OLD if self._known(sign.user, sign.address) else SAME_AGAIN
        return SamePassword(sign.user, sign.address, times, sign.when) if times >= enough else None

    def _drop(self, address: Address) -> None:
        del self._tallies[address]
        around = range_of(address)
        self._ranges[around].discard(address)
        if not self._ranges[around]:
            del self._ranges[around]
            self._due.pop(around, None)


def _said(sign: Sign) -> tuple[str, str, str]:
    return sign.kind, sign.user, sign.mark


def _is_untold(sign: Sign) -> bool:
    """Tell whether it is a wrong password that cannot be told from others."""
    return sign.kind == "auth" and not sign.mark


def range_of(address: Address) -> Network:
    """Return the /24 or /64 that an address is in."""
    return ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False)


def _ban(sign: Sign, tally: _Tally, mild: bool) -> Ban:
    kinds = [one.kind for one in tally.signs]
    said = []
    if tried := max(kinds.count("auth"), sum(one.weight for one in tally.signs if one.kind == "login")):
        logins = {one.user for one in tally.signs if one.kind in ("auth", "login") and one.user}
        said.append(f"{tried} failed logins" + (f" as {len(logins)} users" if len(logins) > 1 else ""))
    if relay := kinds.count("relay"):
        said.append(f"{relay} attempts to relay")
    if unknown := kinds.count("recipient"):
        said.append(f"{unknown} unknown recipients")
    if slow := kinds.count("slow"):
        said.append(f"{slow} connections that said nothing in time")
    lines = tuple(one.text for one in tally.signs)[-EVIDENCE:]
    network = ip_network(sign.address)
    return Ban(network, "address", ", ".join(said) + " within an hour", lines, sign.when, mild)
