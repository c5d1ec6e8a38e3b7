"""Where each key of a TOML text stands, so that an error can name its line.

The text was parsed by `tomllib` before, so that this scanner only has to find things, not to judge them
(TOML 1.0.0, toml.io).
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANK_OR_COMMA = re.compile(r"(?:[ \t\r\n,]+|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^\s,\]\}#][^,\]\}#\n]*")


def positions(text: str) -> dict[Path, int]:
    """Return the line (from 1) on which each key, table and array item of a valid TOML text begins."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}  # how often [[path]] was seen
        self.counted_to = 0
        self.line = 1

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self.skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)
        return self.found

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"unexpected text at character {self.at}")
        self.at = match.end()
        return match.group()

    def mark(self, path: Path) -> None:
        self.line += self.text.count("\n", self.counted_to, self.at)
        self.counted_to = self.at
        self.found.setdefault(path, self.line)

    def header(self) -> Path:
        double = self.text.startswith("[[", self.at)
        here = self.at
        self.at += 2 if double else 1
        keys = self.keys()
        # a header below an array of tables means that array's last element
        path: Path = ()
        end, self.at = self.at, here
        for key in keys[:-1]:
            path = (*path, key)
            self.mark(path)
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
        path = (*path, keys[-1])
        self.mark(path)
        if double:
            self.tables[path] = self.tables.get(path, 0) + 1
            path = (*path, self.tables[path] - 1)
            self.mark(path)
        self.at = end + (2 if double else 1)
        return path

    def keys(self) -> list[str]:
        """Read a dotted key and the spaces behind it."""
        keys = []
        while True:
            self.skip(_SPACE)
            if self.text[self.at] in "\"'":
                keys.append(str(tomllib.loads(f"k = {self.skip(_STRING)}")["k"]))
            else:
                keys.append(self.skip(_BARE_KEY))
            self.skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def pair(self, table: Path) -> None:
        start = self.at
        keys = self.keys()
        end, self.at = self.at, start
        for depth in range(1, len(keys) + 1):
            self.mark((*table, *keys[:depth]))
        self.at = end + 1  # the equals sign
        self.skip(_SPACE)
        self.value((*table, *keys))

    def value(self, path: Path) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.skip(_STRING)
        elif first == "[":
            self.at += 1
            index = 0
            while self.skip(_BLANK_OR_COMMA) is not None and self.text[self.at] != "]":
                self.mark((*path, index))
                self.value((*path, index))
                index += 1
            self.at += 1
        elif first == "{":
            self.at += 1
            while self.skip(_BLANK_OR_COMMA) is not None and self.text[self.at] != "}":
                self.pair(path)
            self.at += 1
        else:
            self.skip(_SCALAR)
