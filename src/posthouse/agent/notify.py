"""Tell systemd how the agent is: sd_notify(3), by hand, since it is a few lines."""

from __future__ import annotations

import os
import socket


def notify(state: str, *descriptors: int) -> None:
    """Send `READY=1`, `STOPPING=1`, or file descriptors to keep (`FDSTORE=1`), if a manager listens.

    Raises OSError where the manager's socket is gone.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace, unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(address)
        socket.send_fds(channel, [state.encode()], descriptors)
