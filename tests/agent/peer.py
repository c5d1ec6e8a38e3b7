"""The MTA's side of the milter protocol, as Postfix speaks it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable

OFFER = struct.pack("!III", 6, 0x1FF, 0x1FFFFF)
QUEUE_ID = "4XyZ123"


class Peer:
    """A connection to the milter."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, command: bytes, data: bytes = b"") -> None:
        """Send a packet."""
        self.writer.write(struct.pack("!I", len(data) + 1) + command + data)

    def macros(self, stage: bytes, **values: str) -> None:
        """Send macros for a stage, long names in braces."""
        pairs = ((name if len(name) == 1 else "{" + name + "}", value) for name, value in values.items())
        self.send(b"D", stage + b"".join(f"{name}\0{value}\0".encode() for name, value in pairs))

    async def packet(self) -> tuple[bytes, bytes]:
        """Receive a packet."""
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        body = await self.reader.readexactly(length)
        return body[:1], body[1:]

    async def negotiate(self) -> bytes:
        """Offer everything and return the answer."""
        self.send(b"O", OFFER)
        command, data = await self.packet()
        assert command == b"O"
        return data

    async def helo(self, daemon: str) -> str:
        """Greet; return what the milter says: "" for go on, else its reply."""
        self.macros(b"H", daemon_name=daemon)
        self.send(b"H", b"client.example\0")
        return self._said(*await self.packet())

    async def mail(self, sender: str, **macros: str) -> str:
        """Begin a message; return what the milter says: "" for go on, else its reply."""
        self.macros(b"M", **macros)
        self.send(b"M", f"<{sender}>\0SIZE=10\0".encode())
        return self._said(*await self.packet())

    async def recipient(self, address: str) -> str:
        """Name a recipient; return what the milter says: "" for go on, else its reply."""
        self.send(b"R", f"<{address}>\0".encode())
        return self._said(*await self.packet())

    async def end(self, headers: Iterable[tuple[str, str]]) -> tuple[str, list[tuple[bytes, bytes]]]:
        """Send headers and the end; return the verdict and the edits before it."""
        for name, value in headers:
            self.send(b"L", f"{name}\0{value}\0".encode())
        self.macros(b"E", i=QUEUE_ID)
        self.send(b"E")
        edits = []
        while True:
            command, data = await self.packet()
            if command in b"cy":
                return self._said(command, data), edits
            edits.append((command, data))

    @staticmethod
    def _said(command: bytes, data: bytes) -> str:
        assert command in (b"c", b"y"), command
        return data.rstrip(b"\0").decode("ascii")
