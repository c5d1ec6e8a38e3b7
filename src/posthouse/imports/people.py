"""What a file of accounts comes to, and everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from posthouse.errors import UsageError

T = TypeVar("T")
Problem = tuple[str, int, str]
_SHOWN = 50  # problems in a message


@dataclass(frozen=True)
class Where:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class SiteQuota:
    """The quota of an account that has none of its own."""


SITE = SiteQuota()


@dataclass(frozen=True)
class Person:
    """An account as a file has it. What is None is not said there.

    `password` is to be hashed, `password_hash` carries its {SCHEME}; `quota`: bytes, 0 for none, SITE for the
    site's.
    """

    where: Where
    address: str
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    realname: str | None = None
    quota: int | SiteQuota | None = None
    active: bool | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forward:
    """An alias as a file has it: mail for `address` goes to `target`."""

    where: Where
    address: str
    target: str


@dataclass(frozen=True)
class People:
    """All that was read: accounts, aliases beside them, domains that are named by themselves, remarks, and what is
    wrong, as file, line and message.
    """

    persons: tuple[Person, ...] = ()
    forwards: tuple[Forward, ...] = ()
    domains: tuple[tuple[Where, str], ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: People) -> People:
        """Return both together."""
        return People(
            self.persons + other.persons,
            self.forwards + other.forwards,
            self.domains + other.domains,
            self.notes + other.notes,
            self.problems + other.problems,
        )


class Problems:
    """Collects what is wrong, line by line, and raises it as one error."""

    def __init__(self, found: Iterable[Problem] = ()) -> None:
        self._found = list(found)

    @property
    def found(self) -> tuple[Problem, ...]:
        """All of them, as they came."""
        return tuple(self._found)

    def add(self, where: Where, message: str) -> None:
        """Note what is wrong with a line."""
        self._found.append((where.file, where.line, message))

    def catch(self, where: Where, function: Callable[[str], T], text: str) -> T | None:
        """Return what `function` makes of the text; None, and a note, where it raises UsageError."""
        try:
            return function(text)
        except UsageError as error:
            self.add(where, str(error).replace("\n  ", " "))
            return None

    def raise_any(self) -> None:
        """UsageError with every problem, file by file in the order of the lines; nothing was changed."""
        if not self._found:
            return
        files = list(dict.fromkeys(file for file, _, _ in self._found))
        ordered = sorted(dict.fromkeys(self._found), key=lambda one: (files.index(one[0]), one[1]))
        lines = [f"{file}:{line}: {message}" for file, line, message in ordered]
        more = len(lines) - _SHOWN
        shown = lines[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        what = "1 problem" if len(lines) == 1 else f"{len(lines):,} problems"
        raise UsageError(
            f"{what} found, and nothing was imported:\n    " + "\n    ".join(shown),
            "Correct these lines, and say the same again.",
        )


def twice(problems: Problems, keys: Iterable[tuple[Where, str]], what: str) -> None:
    """Note each key that stands in a file more than once."""
    first: dict[str, Where] = {}
    for where, key in keys:
        if key in first:
            problems.add(where, f"{what} {key} stands in {first[key]} already")
        first.setdefault(key, where)
