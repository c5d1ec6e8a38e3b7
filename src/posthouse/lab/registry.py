"""The machines' only way out: the registries that the host itself uses, on ports 80 and 443.

No packet is forwarded. For each registry a gateway has an address of its own, with listeners that take a
machine's connection and speak, from the host's side, to that registry and to nothing else. Port 443 is
relayed as it is. Port 80 is an HTTP proxy with a memory: what can never change (a package, an index by
its hash) is kept in `CACHE/http`, so that the second machine gets it from the disk.
"""

import contextlib
import hashlib
import http.client
import http.server
import os
import shutil
import socket
import socketserver
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from posthouse.lab import netns
from posthouse.lab.paths import CACHE

STORE = CACHE / "http"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host"}
_fetching: dict[str, threading.Lock] = defaultdict(threading.Lock)


class _Server(socketserver.ThreadingTCPServer):
    """A threading server whose listening socket was made in another network namespace."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: object, client_address: object) -> None:
        """A broken connection is the machine's business (a test may cut it on purpose)."""


def _unchanging(path: str) -> bool:
    return path.endswith((".deb", ".udeb", ".whl")) or "/by-hash/" in path


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _relay(host: str) -> type[socketserver.BaseRequestHandler]:
    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, 443), timeout=30) as upstream:
                upstream.settimeout(None)
                back = threading.Thread(target=_copy, args=(upstream, self.request), daemon=True)
                back.start()
                _copy(self.request, upstream)
                back.join()

    return Relay


def _proxy(host: str) -> type[socketserver.BaseRequestHandler]:
    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Silent: apt says itself what it fetched."""

        def do_GET(self) -> None:
            if _unchanging(self.path) and "Range" not in self.headers:
                self._from_store()
            else:
                self._ask(self._pass_on)

        do_HEAD = do_GET

        def _ask(self, use: Callable[[http.client.HTTPResponse], None]) -> None:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
            upstream = http.client.HTTPConnection(host, timeout=60)
            try:
                try:
                    upstream.request(self.command, self.path, headers=headers)
                    response = upstream.getresponse()
                except (OSError, http.client.HTTPException) as error:
                    self.send_error(502, explain=str(error))
                    return
                use(response)
            finally:
                upstream.close()

        def _pass_on(self, response: http.client.HTTPResponse) -> None:
            body_allowed = self.command == "GET" and response.status not in (204, 304)
            self.send_response(response.status, response.reason)
            for key, value in response.getheaders():
                if key.lower() not in _HOP_BY_HOP:
                    self.send_header(key, value)
            if body_allowed and response.length is None:
                self.send_header("Connection", "close")
            self.end_headers()
            if body_allowed:
                shutil.copyfileobj(response, self.wfile)

        def _from_store(self) -> None:
            key = hashlib.sha256(f"{host}{self.path}".encode()).hexdigest()
            kept = STORE / key[:2] / key
            with _fetching[key]:
                if not kept.exists() and not self._fetch(kept):
                    return
            os.utime(kept)  # what was not asked for in a long time is collected
            self.send_response(200)
            self.send_header("Content-Length", str(kept.stat().st_size))
            self.end_headers()
            if self.command == "GET":
                with kept.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile)

        def _fetch(self, kept: Path) -> bool:
            """Fill the store; an answer other than a whole file goes to the machine as it came."""
            done = False

            def use(response: http.client.HTTPResponse) -> None:
                nonlocal done
                if response.status != 200 or self.command != "GET" or response.length is None:
                    self._pass_on(response)
                    return
                kept.parent.mkdir(parents=True, exist_ok=True)
                wanted = response.length
                with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
                    try:
                        shutil.copyfileobj(response, file)
                        done = file.tell() == wanted
                    finally:
                        Path(file.name).replace(kept) if done else Path(file.name).unlink()
                self.close_connection = not done

            self._ask(use)
            return done

    return Proxy


def collect(max_age: float = 30 * 86400) -> None:
    """Remove what no machine asked for within `max_age` seconds."""
    for path in STORE.glob("*/*"):
        if time.time() - path.stat().st_mtime > max_age:
            path.unlink(missing_ok=True)


def serve(gateway: str, addresses: dict[str, str]) -> None:
    """Start the listeners (in threads that end with the process) for each registry: its name and address."""
    for host, address in addresses.items():
        for port, handler in ((80, _proxy(host)), (443, _relay(host))):
            with netns.entered(gateway):
                listener = socket.create_server((address, port), backlog=64)
            server = _Server(listener, handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
