"""The milter before all others: refuses what is beyond the bounds, and what others forge goes; says what SPF found.

A message that is beyond the bounds (`structure`) is refused before anything else looks at it.

Headers from outside that look like verdicts (Authentication-Results, Received-SPF, X-Spam-*) are removed: whoever
comes later, a milter, a Sieve script or a reader, may believe those that are there. Postfix prepends policyd-spf's
header and below it `MARK` (main.cf, smtpd_data_restrictions), always: so what stands above the first mark is ours,
however the client's own headers look.
"""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from posthouse.agent import wire
from posthouse.agent.forwarding import SENDER_HEADER
from posthouse.gate import spf
from posthouse.gate.client import MACROS, UNSEEN, Client
from posthouse.gate.structure import Structure

MARK = "X-Posthouse-Above"
BEYOND = "554 5.7.1 Not taken here: {}"
_FORGED = ("authentication-results", "received-spf", MARK.lower())
_FORGED_PREFIXES = ("x-spam", "x-posthouse-")


class Session:
    """One connection of Postfix."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname
        self.client = Client()
        self.macros: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.above = True  # the first mark has not come yet
        self.found: str | None = None
        self.counts: Counter[str] = Counter()
        self.structure = Structure()

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""
        if command == wire.OPTIONS:
            return wire.options(data, MACROS, UNSEEN)
        if command == wire.MACRO:
            stage, values = wire.macros(data)
            if stage == wire.MAIL:
                self.macros = values
            return b""
        if command in (wire.HELO, wire.MAIL):
            self.client.take(command, data, self.macros)
            self._begin()
            return wire.go_on()
        if command in (wire.ABORT, wire.QUIT_BUT_STAY):
            self._begin()
            return b""
        if command == wire.HEADER:
            self._header(*wire.header(data))
            return b""
        if command == wire.END_OF_HEADERS:
            self.structure.header_ends()
            return self._beyond() or wire.go_on()
        if command == wire.BODY:
            if not self.structure.has_parts:
                return wire.enough()
            self.structure.body(data)
            return self._beyond() or wire.go_on()
        if command == wire.END:
            edits = self._edits()
            self._begin()
            return edits + wire.go_on()
        raise wire.ProtocolError(f"command {command!r} was not asked for")

    async def close(self) -> None:
        """Nothing to give back."""

    def _beyond(self) -> bytes:
        if self.structure.beyond is None:
            return b""
        answer = wire.reply(BEYOND.format(self.structure.beyond))
        self._begin()
        return answer

    def _header(self, raw: bytes, value: bytes) -> None:
        self.structure.field(raw, value)
        name = raw.decode("ascii", "replace").strip()
        known = name.lower()
        if known == MARK.lower():
            self.above = False
        elif self.above and known == "received-spf" and self.found is None:
            self.found = value.decode("utf-8", "replace")
        if known in _FORGED or known.startswith(_FORGED_PREFIXES):
            self.counts[known] += 1

    def _edits(self) -> bytes:
        # Without the mark nothing tells whose header it was.
        told_by_policyd = None if self.above else self.found
        found = spf.result(told_by_policyd, self.client)
        # the last first: where one is taken away, the others are counted anew
        edits = [
            wire.delete_header(name, number)
            for name, count in self.counts.items()
            for number in range(count, 0, -1)
        ]
        # OpenDMARC would refuse where SPF could not be asked, which says nothing of the sender (`results.corrected`).
        told = "pass" if found == "temperror" else found
        results = f"{self.hostname};\n\t{spf.authentication_result(told, self.client)}"
        edits.append(wire.insert_header("Authentication-Results", results))
        received = spf.received_spf(self.hostname, found, self.client, spf.silent(told_by_policyd))
        edits.append(wire.insert_header("Received-SPF", received))
        if not self.client.sender.isascii():
            edits.append(wire.insert_header(SENDER_HEADER, quote(self.client.sender, safe="@+=")))
        return b"".join(edits)
