"""What Outlook asks (MS-OXDSCLI section 2.2.3), out of XML that a stranger wrote: pure.

No document type is taken, so there are no entities to expand, in here or elsewhere; depth, number and length are
bounded; and the text is UTF-8, whatever it says of itself, or UTF-16, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

_DEEPEST = 8
_MOST = 64  # elements
_LONGEST = 512  # characters of a text
_AT = "Autodiscover", "Request"


class NoQuestion(Exception):
    """It is no XML, or not of the form that is asked in."""


@dataclass(frozen=True)
class Question:
    """The address and the form of the answer, "" where it names none."""

    address: str = ""
    schema: str = ""


class _Reader:
    """Takes the texts of two elements, and stops at everything that does not belong."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._at: list[str] = []
        self._number = 0

    def start(self, name: str, _: object) -> None:
        self._number += 1
        self._at.append(name.rpartition(" ")[2])
        if len(self._at) > _DEEPEST or self._number > _MOST:
            raise NoQuestion("too deep, or too many elements")
        if self._at[0] != _AT[0]:
            raise NoQuestion("another kind of document")
        if self._is_text and self._at[-1] in self.found:
            raise NoQuestion("the same said twice")
        if self._is_text:
            self.found[self._at[-1]] = ""

    def end(self, _: str) -> None:
        self._at.pop()

    def text(self, data: str) -> None:
        if self._is_text:
            self.found[self._at[-1]] += data
            if len(self.found[self._at[-1]]) > _LONGEST:
                raise NoQuestion("too long a text")

    @property
    def _is_text(self) -> bool:
        named = self._at[-1:] in (["EMailAddress"], ["AcceptableResponseSchema"])
        return named and tuple(self._at[:-1]) == _AT


def _never(*_: object) -> None:
    raise NoQuestion("a document type, which nobody needs here")


def read(body: bytes) -> Question:
    """Read a question. NoQuestion where it is none."""
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _never
    parser.EntityDeclHandler = _never
    parser.ExternalEntityRefHandler = _never  # type: ignore[assignment]
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError) as error:
        raise NoQuestion("no XML") from error
    said = {name: text.strip() for name, text in reader.found.items()}
    return Question(said.get("EMailAddress", ""), said.get("AcceptableResponseSchema", ""))
