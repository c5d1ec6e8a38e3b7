"""fail2ban's jail of ours, kept to what the watch says.

fail2ban reads of new bans in the watch's log by itself. What is no longer banned the watch takes out of the jail; and
where fail2ban was started anew, the whole jail is made to say the same. Source: fail2ban-client(1).
"""

from __future__ import annotations

from collections.abc import Iterable

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host.run import run
from posthouse.watch.score import Network

JAIL = "posthouse"
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
        self._wanted: set[str] = set()
        self._sure = False  # that it holds just these
        self._server: tuple[int, int] | None = None  # its socket: another one is another server's

    def follow(self, wanted: set[str], *, whole: bool) -> None:
        """Take out of it whom it is no longer to hold; `whole`: see that it holds all others too, if that is not sure.

        The whole costs a second and may wait for a pause: fail2ban reads of new bans by itself.

        Raises:
            PosthouseError: fail2ban does not answer, or has no such jail.
        """
        try:
            found = paths.FAIL2BAN.stat()
        except OSError as error:
            self._sure = False
            raise PosthouseError("fail2ban does not run") from error
        if (server := (found.st_ino, found.st_ctime_ns)) != self._server:
            self._sure, self._server = False, server
        if wanted != self._wanted:
            self._sure = False
        if gone := self._wanted - wanted:
            _told("set", JAIL, "unbanip", *sorted(gone))
        self._wanted = wanted
        if not whole or self._sure:
            return
        there = set(_told("get", JAIL, "banip").split())
        if missing := wanted - there:
            _told("set", JAIL, "banip", *sorted(missing))
        if left := there - wanted:
            _told("set", JAIL, "unbanip", *sorted(left))
        self._sure = True


def problem() -> str:
    """Say why fail2ban does not take up the bans; "" where it does."""
    if not paths.FAIL2BAN.exists():
        return "it does not run"
    try:
        _told("status", JAIL)
    except PosthouseError as error:
        return str(error).splitlines()[-1].strip()
    return ""


def _told(*words: str) -> str:
    return run([_CLIENT, *words], timeout=30).stdout
