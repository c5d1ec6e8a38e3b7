"""The listener itself, over TLS: one answer a connection, bounds on all of it, and its end."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tls import making

from posthouse.errors import UsageError
from posthouse.web import __main__ as program
from posthouse.web import server
from posthouse.web.answer import Settings

ARGUMENTS = [
    "--hostname",
    "mail.snorl.ax",
    "--policy",
    "testing",
    "--mx",
    "mail.snorl.ax",
    "--seconds",
    "86400",
]
POLICY = "/.well-known/mta-sts.txt"


class Running:
    """The server in a thread of its own, on a port of the system's choice."""

    def __init__(self, folder: Path, idle: float | None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.said = Settings("mail.snorl.ax", "mode: testing\n", frozenset({"snorl.ax"}))
        self.server = server.Server(self.socket, program.tls(folder), self.said, idle)
        self.end = asyncio.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.loop.run_until_complete(self.server.run(self.end))
        self.socket.close()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.loop.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chain, key = making.pair("mta-sts.snorl.ax")
    (tmp_path / "fullchain.pem").write_bytes(chain)
    (tmp_path / "privkey.pem").write_bytes(key)
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    made = Running(folder, None)
    yield made
    made.stop()


def client(running: Running) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", running.port), 30)
    return context.wrap_socket(plain, server_hostname="mta-sts.snorl.ax")


def said(running: Running, octets: bytes) -> bytes:
    """All that comes back; a server that closes while there is more to read may cut that short."""
    with client(running) as session:
        session.sendall(octets)
        found = b""
        try:
            while more := session.recv(65536):
                found += more
        except OSError:
            pass
        return found


def test_a_real_client(running: Running) -> None:
    with client(running) as session:
        connection = http.client.HTTPConnection("mta-sts.snorl.ax")
        connection.sock = session
        connection.request("GET", POLICY)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"mode: testing\n")
        assert answer.headers["Connection"] == "close"
        assert "Server" not in answer.headers


def test_a_body_is_awaited_and_asked_for(running: Running) -> None:
    head = b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: snorl.ax\r\nContent-Length: 4\r\n"
    assert said(running, head + b"\r\nxxxx").startswith(b"HTTP/1.1 400 ")
    with client(running) as session:
        session.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert session.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        session.sendall(b"xxxx")
        assert session.recv(100).startswith(b"HTTP/1.1 400 ")


def test_one_request_a_connection(running: Running) -> None:
    one = f"GET {POLICY} HTTP/1.1\r\nHost: mta-sts.snorl.ax\r\n\r\n".encode()
    assert said(running, one + one).count(b"HTTP/1.1 200") <= 1


def test_a_flood_of_headers_is_cut(running: Running) -> None:
    found = said(running, b"GET / HTTP/1.1\r\n" + b"Host: a.example\r\n" * 2000)
    assert found == b"" or found.startswith(b"HTTP/1.1 431 ")  # it does not read on, and so may be cut short
    test_a_real_client(running)


def test_unknown_hosts_are_not_named(running: Running) -> None:
    found = said(running, b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 404 ")
    assert b"elsewhere" not in found


def test_who_speaks_no_tls_and_who_says_nothing_holds_nobody_up(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_EACH", 1000)
    silent = [socket.create_connection(("127.0.0.1", running.port), 30) for _ in range(20)]
    with socket.create_connection(("127.0.0.1", running.port), 30) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")
    test_a_real_client(running)
    for one in silent:
        one.close()


def test_one_client_takes_few_places(running: Running) -> None:
    held = [client(running) for _ in range(server._EACH)]
    with socket.create_connection(("127.0.0.1", running.port), 30) as one_more:
        assert one_more.recv(1) == b""
    for one in held:
        one.close()


def test_it_ends_when_nobody_asks(folder: Path) -> None:
    made = Running(folder, 0.2)
    made.thread.join(60)
    assert not made.thread.is_alive()
    made.loop.close()


def test_clients_count_by_address_and_by_network() -> None:
    assert server.network("::ffff:192.0.2.1") == server.network("192.0.2.1") == "192.0.2.1"
    assert server.network("2001:db8:0:1::a") == server.network("2001:db8:0:1:ffff::b%eth0")
    assert server.network("2001:db8:0:2::a") != server.network("2001:db8:0:1::a")


def test_arguments_and_domains(folder: Path) -> None:
    found, idle = program.settings([*ARGUMENTS, "--idle", "60"], folder)
    assert (found.domains, idle) == (frozenset(), 60.0)
    (folder / "domains").write_text("# made by\nsnorl.ax 202601\n\nb.example 202601b\n")
    found, idle = program.settings([*ARGUMENTS, "--idle", "never"], folder)
    assert (found.domains, idle) == (frozenset({"snorl.ax", "b.example"}), None)
    assert "mode: testing\r\nmx: mail.snorl.ax\r\nmax_age: 86400\r\n" in found.policy
    for wrong in (["--hostname"], ARGUMENTS, [*ARGUMENTS, "--idle", "soon"]):
        with pytest.raises(UsageError):
            program.settings(wrong, folder)
