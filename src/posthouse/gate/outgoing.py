"""The milter of submitted mail: has SpamAssassin say how many points a message has, and takes nothing else from it.

Nothing of the client's connection is told to SpamAssassin, nor any Received: header: a login says who it is, and its
dial-up address, name and HELO say nothing. The points go on in a header that the agent takes away (agent.outgoing).
"""

from __future__ import annotations

from posthouse.agent import outgoing, wire
from posthouse.gate import verdict
from posthouse.gate.client import plain
from posthouse.gate.entrance import BEYOND
from posthouse.gate.spamd import Verdict
from posthouse.gate.structure import Structure

_UNTOLD = (b"received", b"received-spf", b"authentication-results", outgoing.HEADER.lower().encode())


class Session(verdict.Session):
    """One connection of Postfix."""

    def _clear(self) -> None:
        super()._clear()
        self.structure = Structure()

    async def _content(self, command: bytes, data: bytes) -> bytes:
        structure = self.structure
        if command == wire.END_OF_HEADERS:
            structure.header_ends()
        elif command == wire.BODY and structure.has_parts:
            structure.body(data)
        if structure.beyond is not None:
            answer = wire.reply(BEYOND.format(structure.beyond))
            await self._begin()
            return answer
        return await super()._content(command, data)

    async def _header(self, name: bytes, value: bytes) -> None:
        self.structure.field(name, value)
        if name.strip().lower() not in _UNTOLD:
            await super()._header(name, value)

    def _received(self) -> bytes:
        return b""

    def _finding(self) -> bytes:
        return f"{verdict.FINDING}: nothing\n".encode()

    def _decided(self, verdict: Verdict) -> bytes:
        status = " ".join(value for name, value in verdict.headers if name.lower() == "x-spam-status")
        rules = "".join(status.partition("tests=")[2].partition("autolearn=")[0].split())
        said = " ".join(plain(rule) for rule in rules.split(","))
        return wire.insert_header(outgoing.HEADER, f"{verdict.score:.2f} {said}") + wire.go_on()
