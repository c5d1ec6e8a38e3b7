"""Which certificate is shown on each port of the mail service, to a client that asks for a name (SNI, RFC 6066)."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

HOST = "127.0.0.1"
SOURCE = "127.0.0.2"  # another than HOST, which Dovecot takes for a safe client
_SECONDS = 10.0
_LINES = 50  # of an answer at most
_LONGEST = 2048  # bytes of one of them
# What is said before TLS begins: each line, and how the last line of its answer begins.
_SMTP = ((b"", b"220 "), (b"EHLO probe.invalid", b"250 "), (b"STARTTLS", b"220 "))
_BEFORE: dict[int, tuple[tuple[bytes, bytes], ...]] = {
    25: _SMTP,
    465: (),
    587: _SMTP,
    143: ((b"", b"* OK"), (b"a STARTTLS", b"a OK")),
    993: (),
    110: ((b"", b"+OK"), (b"STLS", b"+OK")),
    995: (),
    4190: ((b"", b"OK"), (b"STARTTLS", b"OK")),
    443: (),
}
PORTS = tuple(port for port in _BEFORE if port != 443)  # of the mail service


@dataclass(frozen=True)
class Wrong:
    """A port that does not show the certificate that it should, for one name."""

    port: int
    name: str
    why: str


def look(digest: str, names: Iterable[str], ports: Iterable[int] = PORTS) -> tuple[Wrong, ...]:
    """Ask every port for every name, and return those that do not show the certificate with this SHA-256 digest."""
    asked = [(port, name) for port in ports for name in names]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(lambda one: _why_not(digest, *one), asked))
    return tuple(Wrong(port, name, why) for (port, name), why in zip(asked, found, strict=True) if why)


def _why_not(digest: str, port: int, name: str) -> str:
    try:
        shown = _shown(port, name)
    except (OSError, ValueError) as error:
        return f"no certificate is shown ({error})"
    return "" if shown == digest else "it shows another certificate than the one on the disk"


def _shown(port: int, name: str) -> str:
    """Return the digest of what a port shows. OSError, ValueError where it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # which one it must be is compared
    with socket.create_connection((HOST, port), _SECONDS, source_address=(SOURCE, 0)) as plain:
        for say, answer in _BEFORE[port]:
            if say:
                plain.sendall(say + b"\r\n")
            _await(plain, answer)
        with context.wrap_socket(plain, server_hostname=name) as inside:
            return hashlib.sha256(inside.getpeercert(binary_form=True) or b"").hexdigest()


def _await(plain: socket.socket, answer: bytes) -> None:
    line = b""
    for _ in range(_LINES):
        line = _line(plain)
        if line.startswith(answer):
            return
        if not line or line[:1] in (b"4", b"5"):
            break
    raise ValueError(f"expected {answer.decode().strip()}, found {line[:80]!r}")


def _line(plain: socket.socket) -> bytes:
    """One line, and not a byte of what follows: that is TLS."""
    line = b""
    while len(line) < _LONGEST and (byte := plain.recv(1)):
        line += byte
        if byte == b"\n":
            break
    return line
