"""Read the addresses of a From:, Sender: or Resent-*: header, or say that they are not clear.

Mail programs disagree about what a strange header means: one shows the first address, one the last, one
the text in quotes. So this reader takes only the plain forms of RFC 5322 section 3.4 (`address`,
`Name <address>`, `address (Name)`, separated by commas) about which all agree, and answers `Unclear` to
every other: groups, source routes, quoted local parts, address literals, blanks within an address, a
name without angle brackets, control characters, text in an unknown character set.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
import unicodedata
from dataclasses import dataclass

MAX_HEADER = 16_384  # bytes of one header; real ones have some dozen addresses at most
MAX_MAILBOXES = 50

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(
    rf"{_ATEXT}(?:\.{_ATEXT})*@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_BARE_WORD = re.compile(r'[^\s()<>\[\]:;@\\,"]+')
_BLANK = re.compile(r"[ \t]+")
_ENCODED_WORD = re.compile(r"=\?([^?\s]*)\?([^?\s]*)\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(=\?)")
# What parts a displayed name into pieces, and what the eye puts together to an address in spite of that.
_SEPARATORS = re.compile(r"[\s<>()\[\]:;,\"'`]+")
_SPREAD_ADDRESS = re.compile(r"@[^@.\w]*[^\s@.]+\.[^\s@.]")
# Embeddings, overrides and isolates show a text in another order than it has (Unicode TR 36).
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Unclear(ValueError):
    """The header can be read in more than one way; the message says what is strange in it."""


@dataclass(frozen=True)
class Mailbox:
    """One address as it stands in the header, and the texts that a mail program shows beside it."""

    address: str
    shown: tuple[str, ...] = ()

    def seen(self) -> list[str]:
        """Return what looks like an address in the shown texts; raise `Unclear` for a disguised one."""
        pieces = [piece for text in self.shown for piece in _SEPARATORS.split(_undisguised(text))]
        found = [piece for piece in pieces if re.search("[^@]@[^@]", piece)]
        if _SPREAD_ADDRESS.search(" ".join(piece for piece in pieces if piece not in found)):
            raise Unclear("its displayed name looks like another address")
        return [address.strip(".").lower() for address in found]


def read(value: bytes) -> list[Mailbox]:
    """Return the mailboxes of a header's value, at least one.

    `value` is what follows the colon, folded or not. Raises `Unclear`.
    """
    if len(value) > MAX_HEADER:
        raise Unclear(f"it is longer than {MAX_HEADER} bytes")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Unclear("it has bytes that are neither ASCII nor UTF-8") from None
    text = re.sub(r"\r?\n(?=[ \t])", "", text)
    _forbid_controls(text)
    return _Reader(text).mailboxes()


class _Reader:
    """A cursor over one header's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def mailboxes(self) -> list[Mailbox]:
        found = [self._mailbox()]
        while self._here() == ",":
            self.at += 1
            found.append(self._mailbox())
            if len(found) > MAX_MAILBOXES:
                raise Unclear(f"it names more than {MAX_MAILBOXES} addresses")
        if self.at != len(self.text):
            raise Unclear(f"{self._here()!r} stands where a comma or the end should be")
        return found

    def _mailbox(self) -> Mailbox:
        comments = self._blanks()
        if (address := self._take(_ADDRESS)) is not None:
            before = self.at
            comments += self._blanks()
            if self._here() in ("", ","):
                return _mailbox(address, [], comments)
            if self._here() == "<":
                raise Unclear("an address stands unquoted before another one in angle brackets")
            self.at = before
            raise Unclear("an address is followed by something else than a comma")
        words: list[str] = []
        while self._here() not in ("", "<", ","):
            words.append(self._word())
            comments += self._blanks()
        if self._here() != "<":
            raise Unclear("an address is missing" if not words else "a name has no <address> after it")
        self.at += 1
        address = self._take(_ADDRESS)
        if address is None or self._here() != ">":
            raise Unclear("what stands in angle brackets is not one plain address")
        self.at += 1
        comments += self._blanks()
        return _mailbox(address, words, comments)

    def _word(self) -> str:
        if self._here() == '"':
            return self._quoted()
        word = self._take(_BARE_WORD)
        if word is None:
            raise Unclear(f"{self._here()!r} stands outside quotes")
        return word

    def _quoted(self) -> str:
        return self._until('"', nest=False)

    def _blanks(self) -> list[str]:
        """Skip blanks and return the comments among them (RFC 5322 section 3.2.2)."""
        comments: list[str] = []
        while True:
            self._take(_BLANK)
            if self._here() != "(":
                return comments
            comments.append(self._until(")", nest=True))

    def _until(self, end: str, *, nest: bool) -> str:
        """Read from an opening sign to its end; a comment may hold comments, and both quoted pairs."""
        depth, out = 1, []
        self.at += 1
        while depth:
            char = self._here()
            if not char:
                raise Unclear("a quotation or comment does not end")
            self.at += 1
            if char == "\\":
                char = self._here()
                self.at += 1
            elif char == end:
                depth -= 1
            elif nest and char == "(":
                depth += 1
            if depth:
                out.append(char)
        return "".join(out)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def _here(self) -> str:
        return self.text[self.at : self.at + 1]


def _mailbox(address: str, words: list[str], comments: list[str]) -> Mailbox:
    if "=?" in address:
        raise Unclear("an address is written as an encoded word")
    shown = [" ".join(words), *comments]
    return Mailbox(address, tuple(decoded for text in shown if (decoded := _decoded(text))))


def _decoded(text: str) -> str:
    """Return a text with its encoded words decoded (RFC 2047), wherever they stand."""
    text = _BETWEEN_WORDS.sub(r"\1\2", text)
    text = _ENCODED_WORD.sub(lambda match: _encoded_word(*match.groups()), text)
    if "=?" in text:  # broken or nested: some programs decode it, others show it
        raise Unclear("an encoded word cannot be decoded")
    _forbid_controls(text)
    return text


def _encoded_word(charset: str, encoding: str, content: str) -> str:
    try:
        data = content.encode("ascii")
        if encoding in ("Q", "q"):
            raw = quopri.decodestring(data, header=True)
        elif encoding in ("B", "b"):
            raw = base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
        else:
            raise Unclear("an encoded word has an unknown encoding")
        charset = charset.partition("*")[0].lower()  # RFC 2231 section 5: a language after the star
        # Some programs cut a text in the middle of a UTF-8 character: harmless, since @ is never part of one.
        return raw.decode(charset, "replace" if charset == "utf-8" else "strict")
    except (UnicodeError, LookupError, ValueError, binascii.Error):
        raise Unclear("an encoded word cannot be decoded") from None


def _undisguised(text: str) -> str:
    """Return a text as the eye takes it: full-width signs made plain, invisible ones taken out."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(char for char in plain if unicodedata.category(char) not in ("Cf", "Mn", "Me"))


def _forbid_controls(text: str) -> None:
    for char in text:
        if char != "\t" and unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            raise Unclear("it has a control character")
    if _REORDERING.search(text):
        raise Unclear("it has characters that change the direction of the text")
