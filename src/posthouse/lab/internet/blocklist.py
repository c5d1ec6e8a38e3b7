"""DNS block lists (RFC 5782) with good and bad habits."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from posthouse.lab.network import Network


class Habit(enum.Enum):
    """What a list answers."""

    ANSWERS = "as it should: 127.0.0.x for what is listed, nothing for the rest"
    REFUSES = "127.255.255.254 for everything: the resolver that asks is not welcome"
    BLOCKED = "127.0.0.1 for everything: too many questions (URIBL_BLOCKED)"
    LIES = "127.0.0.2 for everything: the list was shut down, or its domain sold"
    DEAD = "nothing, ever: its name servers are gone"


_WILDCARD = {Habit.REFUSES: "127.255.255.254", Habit.BLOCKED: "127.0.0.1", Habit.LIES: "127.0.0.2"}


@dataclass
class BlockList:
    """A list below `zone`; every change of it is in force when the call returns."""

    net: Network
    zone: str
    habit: Habit = Habit.ANSWERS
    entries: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._publish()

    def add(self, *listed: str, answer: str = "127.0.0.2") -> None:
        """List addresses or domain names."""
        self.entries |= {_key(one): answer for one in listed}
        self._publish()

    def turn(self, habit: Habit) -> None:
        """Take another habit."""
        self.habit = habit
        self._publish()

    def _publish(self) -> None:
        if self.habit is Habit.DEAD:
            self.net.dns.set_silent(self.zone, self.net.v4(254))  # an address that nobody has
        else:
            self.net.dns.set_zone(self.zone, self._records())

    def _records(self) -> Iterable[str]:
        if self.habit is not Habit.ANSWERS:
            answer = _WILDCARD[self.habit]
            return [f"* A {answer}", '* TXT "see our terms of use"']
        # RFC 5782 section 5: the test entry is always there, 127.0.0.1 never. (Spamhaus's of domains is its own.)
        always = dict.fromkeys(("2.0.0.127", "test", "dbltest.com"), "127.0.0.2")
        return [f"{key} A {answer}" for key, answer in {**always, **self.entries}.items()]


def _key(listed: str) -> str:
    try:
        pointer = ip_address(listed).reverse_pointer
    except ValueError:
        return listed.rstrip(".")
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
