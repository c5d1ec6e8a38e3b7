"""Asking spamd: a message is handed over as it comes in, and the headers that SpamAssassin would write come back.

Source: spamd's own PROTOCOL (SPAMC/1.5), command HEADERS. Without Content-length it reads until we close our side.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

CONNECT_SECONDS = 10.0
SECONDS = 105.0  # for all of a message: more than a child of spamd may take; Postfix waits for 120 (main.cf)
LIMIT = 1_048_576  # bytes of an answer: headers
_STATUS = re.compile(rb"SPAMD/\d+\.\d+ 0 ")
_SPAM = re.compile(rb"(?im)^Spam:\s*(True|False)\s*;\s*(-?[\d.]+)\s*/\s*(-?[\d.]+)\s*$")
_LENGTH = re.compile(rb"(?im)^Content-length:\s*(\d+)\s*$")
_OURS = re.compile(r"X-Spam-(?!Checker-Version)[A-Za-z-]+")  # nobody needs to know which version


class NoVerdict(Exception):
    """spamd is away, took too long, or said what nobody understands; the message says which."""


@dataclass(frozen=True)
class Verdict:
    """What SpamAssassin says: `headers` are those of its own that it would add."""

    spam: bool
    score: float
    headers: tuple[tuple[str, str], ...]


class Question:
    """One message on its way to spamd."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._deadline = asyncio.get_running_loop().time() + SECONDS

    @classmethod
    async def begin(cls, path: Path) -> Question:
        """Connect. Raises `NoVerdict`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path, limit=LIMIT)
        except (OSError, TimeoutError) as error:
            raise NoVerdict(f"{path}: {error or 'no connection'}") from error
        question = cls(reader, writer)
        await question.say(b"HEADERS SPAMC/1.5\r\n\r\n")
        return question

    async def say(self, text: bytes) -> None:
        """Hand over a piece. Raises `NoVerdict`."""
        try:
            async with asyncio.timeout_at(self._deadline):
                self._writer.write(text)
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise NoVerdict(f"spamd takes nothing: {error or 'time is up'}") from error

    async def verdict(self) -> Verdict:
        """End the message and wait for the answer. Raises `NoVerdict`."""
        try:
            async with asyncio.timeout_at(self._deadline):
                self._writer.write_eof()
                answer = await self._reader.read(LIMIT)
                while more := await self._reader.read(LIMIT):
                    answer += more
                    if len(answer) > LIMIT:
                        raise NoVerdict("spamd's answer has no end")
        except (OSError, TimeoutError) as error:
            raise NoVerdict(f"spamd does not answer: {error or 'time is up'}") from error
        finally:
            await self.close()
        return parse(answer)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def parse(answer: bytes) -> Verdict:
    """Read an answer to HEADERS. Raises `NoVerdict`."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    spam, length = _SPAM.search(head), _LENGTH.search(head)
    if not _STATUS.match(head) or spam is None or length is None or int(length[1]) != len(rest):
        raise NoVerdict(f"spamd answers {head[:100]!r}, and {len(rest)} bytes")
    headers = [
        (name, value)
        for name, value in unfolded(rest.decode("utf-8", "replace").replace("\r\n", "\n"))
        if _OURS.fullmatch(name)
    ]
    # its own clock: the rules that it did not come to could have said something else
    if any("TIME_LIMIT_EXCEEDED" in value for _, value in headers):
        raise NoVerdict("spamd did not come to an end in its time")
    if not headers:
        raise NoVerdict("spamd's answer has no header of its own")
    return Verdict(spam[1].lower() == b"true", float(spam[2]), tuple(headers))


def unfolded(text: str) -> list[tuple[str, str]]:
    """The fields of a header, the lines of a value still apart."""
    fields: list[list[str]] = []
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and fields:
            fields[-1].append(line)
        elif ":" in line:
            fields.append([line])
        else:
            break
    split = ("\n".join(lines).partition(":") for lines in fields)
    return [(name, value.strip(" ")) for name, _, value in split]
