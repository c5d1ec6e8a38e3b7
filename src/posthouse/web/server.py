"""The listener: TLS, a few connections at once, and few seconds for each. One request, one answer, closed.

It ends by itself: when nobody has asked for a while (systemd starts it again with the next client), or after an hour,
so that it never holds an old certificate or an old list of domains for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections import Counter

from posthouse.web import http
from posthouse.web.answer import Settings, answer

_TOGETHER = 64  # connections
_EACH = 8  # of one client
_SECONDS = 10.0  # from a connection's beginning to its end
_HOUR = 3_600.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger("posthouse.web")


class Server:
    """The server on a listening socket."""

    def __init__(
        self, listener: socket.socket, tls: ssl.SSLContext, settings: Settings, idle: float | None
    ) -> None:
        self._listener = listener
        self._tls = tls
        self._settings = settings
        self._idle = idle
        self._places = asyncio.Semaphore(_TOGETHER)
        self._clients: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, end: asyncio.Event) -> None:
        """Answer until `end` is set, nobody asks, or the hour is over; those who are there get their answer."""
        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        until = loop.time() + _HOUR
        ending = asyncio.create_task(end.wait())
        while not end.is_set() and loop.time() < until:
            patience = until - loop.time() if self._idle is None else min(until - loop.time(), self._idle)
            if not await self._one(ending, patience) and self._idle is not None and not self._tasks:
                break
        ending.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_SECONDS + 1)

    async def _one(self, ending: asyncio.Task[bool], patience: float) -> bool:
        """Take one connection; False where none came."""
        coming = asyncio.create_task(self._accept())
        await asyncio.wait({coming, ending}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await coming
            return False
        try:
            connection, client = coming.result()
        except OSError as error:  # out of descriptors, or the client has gone
            log.warning("a connection could not be taken: %s", error.strerror)
            self._places.release()
            await asyncio.sleep(0.1)
            return True
        task = asyncio.create_task(self._serve(connection, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _accept(self) -> tuple[socket.socket, str]:
        await self._places.acquire()
        try:
            connection, where = await asyncio.get_running_loop().sock_accept(self._listener)
        except asyncio.CancelledError:
            self._places.release()
            raise
        return connection, network(str(where[0]))

    async def _serve(self, connection: socket.socket, client: str) -> None:
        self._clients[client] += 1
        try:
            if self._clients[client] <= _EACH:
                async with asyncio.timeout(_SECONDS):
                    await self._talk(connection)
        except (OSError, EOFError, TimeoutError, ValueError):
            pass  # the client has gone, or speaks no TLS, or takes its time
        except Exception:
            log.exception("closed a connection: this is a bug")
        finally:
            connection.close()
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
            self._places.release()

    async def _talk(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=http.HEAD, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls, ssl_handshake_timeout=_SECONDS
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            head = False
            try:
                request = http.request(await _head(reader))
                head = request.method == "HEAD"
                if request.waits and request.length:
                    writer.write(_CONTINUE)
                said = answer(self._settings, request, await reader.readexactly(request.length))
            except http.Refused as refused:
                said = refused.answer
            writer.write(said.octets(head=head))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        finally:
            transport.abort()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise http.Refused(431) from None


def network(address: str) -> str:
    """Return whom a client counts as: its IPv4 address, or its /64."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)
