"""Ask the agent whether it is alive, in the words that Postfix begins with."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

from posthouse.agent import wire

SECONDS = 5.0


def negotiate(path: Path) -> float | None:
    """Return how many seconds the agent takes to answer, or None where it does not.

    Raises PermissionError where this user may not ask.
    """
    begun = time.monotonic()
    offer = struct.pack("!III", wire.VERSION, 0xFFFFFFFF, 0xFFFFFFFF)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(SECONDS)
            channel.connect(str(path))
            channel.sendall(wire.packet(wire.OPTIONS, offer))
            answer = channel.recv(5)
            channel.sendall(wire.packet(wire.QUIT))
    except PermissionError:
        raise PermissionError(13, "Permission denied", str(path)) from None
    except OSError:
        return None
    return time.monotonic() - begun if answer[4:5] == wire.OPTIONS else None
