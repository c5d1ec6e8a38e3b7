"""Run the server: `posthouse-web --hostname HOST --policy MODE --mx HOST,HOST --seconds SECONDS --idle SECONDS|never`.

Reads fullchain.pem, privkey.pem and `domains` (as the map of DKIM keys has them) in $CREDENTIALS_DIRECTORY, and nothing
else of the machine. Listens on the socket that systemd hands over (sd_listen_fds(3)), else on port 443. Ends on SIGTERM
and SIGINT, when nobody asks for as long as `--idle` says, and after an hour.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

from posthouse.errors import UsageError
from posthouse.web import policy
from posthouse.web.answer import Settings
from posthouse.web.server import Server

SETTINGS = ("--hostname", "--policy", "--mx", "--seconds", "--idle")
PORT = 443
_HANDED_OVER = 3  # SD_LISTEN_FDS_START


def settings(arguments: list[str], folder: Path) -> tuple[Settings, float | None]:
    """Read the arguments and the domains. UsageError where one is missing, unknown or no number; OSError."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    try:
        if len(arguments) % 2 or set(given) != set(SETTINGS):
            raise ValueError
        text = policy.text(given["--policy"], given["--mx"].split(","), int(given["--seconds"]))
        idle = None if given["--idle"] == "never" else float(given["--idle"])
    except ValueError:
        expected = " ".join(f"{name} VALUE" for name in SETTINGS)
        raise UsageError(f"expected {expected}, found {arguments}") from None
    known = folder / "domains"  # there is none before the first domain
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    domains = frozenset(line.split()[0].lower() for line in lines if line.strip() and line[0] != "#")
    return Settings(given["--hostname"], text, domains), idle


def tls(folder: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer, HTTP/1.1. OSError where there is no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    return context


def listener() -> socket.socket:
    """Return the socket that was handed over, or one of our own. OSError."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=_HANDED_OVER)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    return socket.create_server(("0.0.0.0", PORT), backlog=128)  # noqa: S104 - it is for everybody


async def run(arguments: list[str], folder: Path) -> None:
    """Serve. UsageError, OSError where it cannot begin."""
    said, idle = settings(arguments, folder)
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    with listener() as open_:
        await Server(open_, tls(folder), said, idle).run(end)


def main() -> int:
    """Read the arguments and run. The exit status is not 0 where it cannot begin."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    # What asyncio says of each client that breaks off its TLS is no news.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        asyncio.run(run(sys.argv[1:], Path(os.environ.get("CREDENTIALS_DIRECTORY", "."))))
    except (OSError, UsageError) as error:
        print(f"posthouse-web cannot start: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
