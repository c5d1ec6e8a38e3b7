"""fail2ban's jail of ours, kept to what the watch says.

fail2ban reads of new bans in the watch's log by itself. What is no longer banned the watch takes out of the jail; and
where fail2ban was started anew, the whole jail is made to say the same. Source: fail2ban-client(1).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posthouse.errors import PosthouseError
from posthouse.host.run import run
from posthouse.watch.score import Network

JAIL = "posthouse"
SOCKET = Path("/run/fail2ban/fail2ban.sock")
_CLIENT = "/usr/bin/fail2ban-client"


def barred(banned: Iterable[Network], never: Iterable[Network]) -> set[str]:
    """Return whom the jail is to hold: addresses, since in a range there may be somebody who is never banned."""
    never = list(never)
    return {
        str(one.network_address)
        for one in banned
        if one.num_addresses == 1
        and not any(one.version == net.version and one.overlaps(net) for net in never)
    }


class Jail:
    """The jail, as it was left last."""

    def __init__(self) -> None:
        self._holds: set[str] | None = None
        self._server: tuple[int, int] | None = None  # its socket: another one is another server's

    def follow(self, wanted: set[str]) -> None:
        """Make it hold these addresses. PosthouseError where fail2ban does not answer, or has no such jail."""
        try:
            found = SOCKET.stat()
        except OSError as error:
            self._holds = None
            raise PosthouseError("fail2ban does not run") from error
        if (server := (found.st_ino, found.st_ctime_ns)) != self._server:
            self._holds, self._server = None, server
        if self._holds == wanted:
            return
        if self._holds is None:
            self._holds = set(_told("get", JAIL, "banip").split())
            if new := sorted(wanted - self._holds):
                _told("set", JAIL, "banip", *new)
            if gone := sorted(self._holds - wanted):
                _told("set", JAIL, "unbanip", *gone)
            self._holds = wanted
            return
        gone = sorted(self._holds - wanted)
        self._holds = None  # it may not have read as far as we have written: looked at again the next time
        if gone:
            _told("set", JAIL, "unbanip", *gone)


def problem() -> str:
    """Say why fail2ban does not take up the bans; "" where it does."""
    if not SOCKET.exists():
        return "it does not run"
    try:
        _told("status", JAIL)
    except PosthouseError as error:
        return str(error).splitlines()[-1].strip()
    return ""


def _told(*words: str) -> str:
    return run([_CLIENT, *words], timeout=30).stdout
