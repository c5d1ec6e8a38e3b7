"""A filter as `posthouse spam` needs it: teach, count, and read the record that it left in a message."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import Literal, Protocol

from posthouse.errors import PosthouseError

Kind = Literal["spam", "ham"]
# What became of a message that was taught: "short" has too few words to learn from.
Outcome = Literal["learned", "known", "short"]


class Silent(PosthouseError):
    """The filter does not answer; the same may be said again later."""


@dataclass(frozen=True)
class Learned:
    """Messages learned so far, and how many of each kind are needed before the filter judges by them."""

    spam: int
    ham: int
    needed: int

    @property
    def judges(self) -> bool:
        """Whether the filter judges by what it learned."""
        return min(self.spam, self.ham) >= self.needed


@dataclass(frozen=True)
class Rule:
    """A rule that matched: its points, what in the message matched, and the rule in words ("" where unknown)."""

    name: str
    points: float
    evidence: str = ""
    words: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the filter wrote: points, points from which it is spam, whether it was filed in Junk, the rules.

    `forced` is the rule that decided whatever the points were; None: the points did.
    """

    score: float
    needed: float
    junk: bool
    rules: tuple[Rule, ...]
    forced: Rule | None = None


class Filter(Protocol):
    """A chain. `record` is the header that holds its verdict."""

    record: str

    def teach(self, kind: Kind, message: bytes) -> Outcome:
        """Teach one message. Silent: no answer. PosthouseError: refused."""

    def learned(self) -> Learned:
        """Return what was learned. Silent: no answer."""

    def verdict(self, headers: Message) -> Verdict | None:
        """Return what the filter wrote into a message's headers; None where it wrote nothing."""
