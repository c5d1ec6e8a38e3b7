"""The milter after all others: has SpamAssassin judge the message, with what SPF, DKIM and DMARC found.

SpamAssassin is told what OpenDMARC found by a header of the copy that it gets, and has rules for that: so there is
one verdict and one report. What it decides is done here: X-Spam-* headers are added, and `X-Spam: Yes`, by which
Dovecot's Sieve script files in Junk. No verdict means "try again later".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from posthouse.agent import policy, wire
from posthouse.agent.idn import a_labels
from posthouse.gate import beyond, results
from posthouse.gate.client import MACROS, UNSEEN, Client, plain
from posthouse.gate.spamd import NoVerdict, Question, Verdict

FINDING = "X-Posthouse-Finding"
SIGNATURES = "X-Posthouse-Signatures"
TRY_LATER = "451 4.7.1 This message cannot be judged now, try again later"
SPAM = "554 5.7.1 Spam message rejected"

log = logging.getLogger("posthouse.gate")


@dataclass(frozen=True)
class Settings:
    """What the site file says; `scan` in bytes, `refuse` None: never on a score alone."""

    hostname: str
    policy: str
    scan: int
    refuse: float | None
    spamd: Path
    ours: Callable[[], Collection[str]]


class Session:
    """One connection of Postfix."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = Client()
        self.macros: dict[str, str] = {}
        self.question: Question | None = None
        self._clear()

    def _clear(self) -> None:
        self.found: list[str] = []
        self.signed = False
        self.written = 0  # how many headers that was
        self.spf = ""
        self.headers = policy.Headers()
        self.beyond = ""  # the author's domain in A-labels, where he writes it beyond ASCII
        self.refused = False
        self.left = self.settings.scan

    async def _begin(self) -> None:
        if self.question is not None:
            await self.question.close()
        self.question = None
        self._clear()

    async def close(self) -> None:
        """Postfix has gone."""
        await self._begin()

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""
        if command == wire.OPTIONS:
            return wire.options(data, MACROS, UNSEEN)
        if command == wire.MACRO:
            stage, values = wire.macros(data)
            if stage in (wire.MAIL, wire.END):
                self.macros = {**self.macros, **values} if stage == wire.END else values
            return b""
        if command in (wire.HELO, wire.MAIL):
            self.client.take(command, data, self.macros)
            await self._begin()
            return wire.go_on()
        if command in (wire.ABORT, wire.QUIT_BUT_STAY):
            await self._begin()
            return b""
        try:
            return await self._content(command, data)
        except NoVerdict as error:
            log.error("%s: no verdict: %s", self.macros.get("i", "NOQUEUE"), error)
            await self._begin()
            return wire.reply(TRY_LATER)

    async def _content(self, command: bytes, data: bytes) -> bytes:
        if command == wire.HEADER:
            await self._header(*wire.header(data))
            return b""
        if command == wire.END_OF_HEADERS:
            self.written = len(self.found)
            self.found = results.corrected(self.found, self.spf)
            if self.signed and not results.verified(self.found):  # no key could be asked for
                self.found.append(f"{self.settings.hostname}; dkim=temperror")
            await self._beyond_ascii()
            await self._say(self._finding() + b"\n")
            return wire.go_on()
        if command == wire.BODY:
            await self._say(data)
            return wire.go_on() if self.left > 0 else wire.enough()
        if command == wire.END:
            question = await self._asked()
            self.question = None
            verdict = await question.verdict()
            answer = self._decided(verdict)
            await self._begin()
            return answer
        raise wire.ProtocolError(f"command {command!r} was not asked for")

    async def _asked(self) -> Question:
        if self.question is None:
            self.question = await Question.begin(self.settings.spamd)
            await self.question.say(self._received())
        return self.question

    async def _say(self, text: bytes) -> None:
        question = await self._asked()
        await question.say(text[: max(self.left, 0)])
        self.left -= len(text)

    async def _header(self, name: bytes, value: bytes) -> None:
        known = name.strip().lower()
        if known == b"authentication-results":
            self.found.append(value.decode("utf-8", "replace"))
        elif known == b"received-spf":  # the entrance's: others are gone
            self.spf = value.decode("utf-8", "replace").split(maxsplit=1)[0] if value.strip() else ""
        elif known == b"dkim-signature":
            self.signed = True
        self.headers.add(name, value)
        if known not in (FINDING.lower().encode(), SIGNATURES.lower().encode()):
            await self._say(name + b": " + value + b"\n")

    def _received(self) -> bytes:
        """The Received: header that Postfix writes and does not show to milters: whom the message comes from."""
        client = self.client
        address = (
            f"IPv6:{client.address}" if ":" in client.address else client.address
        )  # RFC 5321 section 4.1.3
        return (
            f"Received: from {plain(client.helo)} ({plain(client.name)} [{address}])\n"
            f"\tby {self.settings.hostname} (Postfix) with ESMTP id {self.macros.get('i', '0')}\n"
            f"\tfor <postmaster@{self.settings.hostname}>; {format_datetime(datetime.now(UTC))}\n"
        ).encode()

    async def _beyond_ascii(self) -> None:
        said = results.dmarc(self.found)
        if said is None or said[2].isascii():
            return
        self.beyond = a_labels(said[2])
        told = [one for one in self.found if not results.is_dmarc(one)]
        result, asked = await beyond.judged(told, self.beyond, self.spf)
        self.refused = result == "fail" and asked == "reject"
        told.append(f"{self.settings.hostname}; dmarc={result} (p={asked}) header.from={plain(self.beyond)}")
        self.found = told

    def _forged(self) -> str | None:
        if self.settings.policy == "none":
            return None
        authors = self.headers.domains() | ({self.beyond} if self.beyond else set())
        return results.forged(self.found, authors, self.settings.ours())

    def _finding(self) -> bytes:
        findings = []
        judged = results.dmarc(self.found)
        # OpenDMARC has refused what it shall; of p=reject, what its owner's sampling spares is left for Junk.
        if judged is not None and judged[0] == "fail" and judged[1] in ("quarantine", "reject"):
            findings.append("quarantine")
        if self._forged():
            findings.append("forged")
        authors = [value.decode("utf-8", "replace") for name, value in self.headers.authors if name == "from"]
        if results.hidden(authors):
            findings.append("authors")
        if results.disowned(self.found, self.spf):
            findings.append("unauthorized")
        if results.silent(self.found, self.spf):
            findings.append("silent")
        signatures = " ".join(f"{result}/{domain}" for result, domain in results.signatures(self.found))
        return f"{FINDING}: {' '.join(findings) or 'nothing'}\n{SIGNATURES}: {signatures}\n".encode()

    def _decided(self, verdict: Verdict) -> bytes:
        if self.refused:
            return wire.reply(f"550 5.7.1 rejected by DMARC policy for {self.beyond}")
        forged = self._forged()
        if forged and self.settings.policy == "reject":
            return wire.reply(f"550 5.7.1 {forged} does not send from there")
        if self.settings.refuse is not None and verdict.score >= self.settings.refuse:
            return wire.reply(SPAM)
        edits = [wire.delete_header("Authentication-Results", n) for n in range(self.written, 0, -1)]
        for name, value in reversed(verdict.headers):
            edits.append(wire.insert_header(name, value))
        if verdict.spam:
            edits.append(wire.insert_header("X-Spam", "Yes"))
        merged = results.merged(self.settings.hostname, self.found)
        edits.append(wire.insert_header("Authentication-Results", merged))
        return b"".join(edits) + wire.go_on()
