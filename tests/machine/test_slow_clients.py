"""A thousand clients that say a byte now and then keep nobody else out, from one address or from many."""

from __future__ import annotations

import selectors
import smtplib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from imapclient import IMAPClient
from tests.machine.server import PASSWORD, USER, Server, awaited, letter, trusting

pytestmark = [pytest.mark.machine, pytest.mark.full]

# a documentation network (RFC 5737)
ADDRESSES = [f"203.0.113.{n}" for n in range(2, 252)]
CLIENTS = 1000
PATIENCE = 300  # seconds for a greeting (RFC 5321 section 4.5.3.2.1)
SAID = {25: b"EHLO slow.example", 587: b"EHLO slow.example", 993: b"\x16\x03\x01\x02\x00\x01"}


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Iterator[None]:
    """Their addresses, on the network that the server is on."""

    def ip(verb: str) -> None:
        lines = "".join(f"address {verb} {one}/32 dev lo\n" for one in ADDRESSES)
        subprocess.run(["ip", "-n", server.net.gateway, "-batch", "-"], input=lines, text=True, check=True)

    ip("replace")
    yield
    ip("del")


class Crowd:
    """The slow clients. Whoever is cut off comes again."""

    def __init__(self, server: Server, port: int, sources: list[str]) -> None:
        self.there, self.said = (server.address, port), SAID[port]
        self.open: dict[socket.socket, tuple[int, float]] = {}  # bytes said, and when the last one
        self._over = threading.Event()
        self._new = [sources[n % len(sources)] for n in range(CLIENTS)]
        self._ready = selectors.DefaultSelector()
        self._source: dict[socket.socket, str] = {}

    def run(self) -> None:
        """Be slow until told to end."""
        while not self._over.is_set():
            for source in self._new[:50]:  # not all at once: they do not mean to be lost on the way
                self._begin(source)
            del self._new[:50]
            for key, _ in self._ready.select(0.05):
                self._hear(key.fileobj)  # type: ignore[arg-type]
            now = time.monotonic()
            for sock, (number, at) in list(self.open.items()):
                if now - at > 2.0 and number < len(self.said):
                    self.open[sock] = (number + 1, now)
                    with suppress(OSError):
                        sock.send(self.said[number : number + 1])
        for sock in list(self.open):
            sock.close()

    def end(self) -> None:
        """Let them go."""
        self._over.set()

    def _begin(self, source: str) -> None:
        sock = socket.socket()
        sock.bind((source, 0))
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(self.there)
        self.open[sock], self._source[sock] = (0, time.monotonic()), source
        self._ready.register(sock, selectors.EVENT_READ)

    def _hear(self, sock: socket.socket) -> None:
        try:
            if sock.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._ready.unregister(sock)
        del self.open[sock]
        self._new.append(self._source.pop(sock))
        sock.close()


@contextmanager
def crowd(server: Server, port: int, sources: list[str]) -> Iterator[Crowd]:
    """A thousand of them, all connected or as many as the server lets in."""
    made = Crowd(server, port, sources)

    def run() -> None:
        with server.net.inside():
            made.run()

    # The crowd before was banned for it.
    server.posthouse("ban", "lift", "203.0.113.0/24", check=False)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        awaited(lambda: len(made.open) > CLIENTS * 9 // 10, "the crowd to be there", 60)
        if port != 993:  # all that Postfix starts, or all that one address may have
            most = 90 if len(sources) > 1 else 45
            awaited(lambda: len(server.pids("smtpd")) >= most, "the crowd to take every place", 120)
        yield made
    finally:
        made.end()
        thread.join(30)


def honest(server: Server, port: int) -> None:
    """One who comes by the same port, with a standard's patience."""
    if port == 993:
        with server.net.inside():
            client = IMAPClient(server.address, port=993, ssl_context=trusting(), timeout=PATIENCE)
        client.login(USER, PASSWORD)
        client.select_folder("INBOX")
        client.logout()
        return
    message = letter(USER, USER) if port == 587 else letter()
    with server.net.inside():
        smtp = smtplib.SMTP(server.address, port, "client.example", PATIENCE)
    if port == 587:
        smtp.starttls(context=trusting())
        smtp.login(USER, PASSWORD)
    smtp.send_message(message, message["From"].addresses[0].addr_spec, [USER])
    smtp.quit()
    server.find(str(message["Subject"]))


def served(server: Server, port: int) -> bool:
    """Whether he got through; a standard's client tries again where he did not."""
    try:
        honest(server, port)
    except (OSError, smtplib.SMTPException) as error:
        print(f"{port}: {error!r}", flush=True)
        return False
    return True


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("sources", [1, len(ADDRESSES)], ids=["one-address", "many-addresses"])
@pytest.mark.parametrize("port", SAID)
def test_honest_clients_are_served_beside_a_thousand_slow_ones(
    server: Server, port: int, sources: int
) -> None:
    with crowd(server, port, ADDRESSES[:sources]) as slow:
        for _ in range(3):
            began = time.monotonic()
            awaited(lambda: served(server, port), "an honest client to be served", 900)
            print(f"{port}: {len(slow.open)} slow ones; {time.monotonic() - began:.1f} s", flush=True)
