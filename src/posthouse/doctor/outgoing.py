"""Outgoing port 25: many providers close it until they are asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from posthouse.doctor.check import Check, ok, unknown, warning

TARGET = "gmail-smtp-in.l.google.com"  # an MX that is always there; nothing is sent to it
_SECONDS = 4.0
_NAME = "outgoing port 25"


def check(target: str = TARGET, port: int = 25) -> Iterator[Check]:
    """Open a connection to a well-known MX and read its greeting."""
    try:
        places = socket.getaddrinfo(target, port, type=socket.SOCK_STREAM)
    except OSError as error:
        yield unknown(_NAME, f"{target} cannot be looked up ({error.strerror}), so it was not tried")
        return
    # IPv4 first: it is the one that providers close, and a machine without IPv6 proves nothing by it.
    places.sort(key=lambda place: place[0] != socket.AF_INET)
    address = places[0][4]
    try:
        with socket.socket(places[0][0], socket.SOCK_STREAM) as probe:
            probe.settimeout(_SECONDS)
            probe.connect(address)
            greeting = probe.recv(200)
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror
        yield warning(
            _NAME,
            f"no connection to {target} ({address[0]}) on port {port}: {why}",
            "ask your provider to open outgoing port 25 for this machine; until then mail to others stays"
            " in the queue (a provider's own relay is another way)",
        )
        return
    if greeting.startswith(b"220"):
        yield ok(_NAME, f"open: {target} answers")
    else:
        said = greeting.decode(errors="replace").strip()[:80]
        mend = "somebody between this machine and the others answers for them: ask your provider"
        yield warning(_NAME, f"{target} answers {said!r} instead of a mail server's greeting", mend)
