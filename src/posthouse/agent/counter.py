"""Counts what is submitted, and tells the postmaster of a burst, and of spam."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time

from posthouse.agent import tell
from posthouse.agent.sending import HELD, SPAM, Sending

log = logging.getLogger("posthouse.agent")


class Counter:
    """The counts of `sending`, and who is told: the postmaster of `domain`."""

    def __init__(self, sending: Sending, domain: str) -> None:
        self.sending = sending
        self.domain = domain
        self._telling: dict[tuple[str, int], asyncio.Task[None]] = {}

    def count(self, login: str, address: str, recipients: list[str], subject: str, queue_id: str) -> str:
        """Count a message; return why it is to be held, "" where it may go. Raises sqlite3.Error."""
        now = time.time()
        why = self.sending.judge(login, address, recipients, now, subject, queue_id)
        if why:
            self._say(login, why, now, HELD)
        return why

    def spam(self, login: str, queue_id: str, why: str) -> None:
        """Note a message that is held as spam. Raises sqlite3.Error."""
        self.sending.spam(login, queue_id)
        self._say(login, why, time.time(), SPAM)

    def _say(self, login: str, why: str, now: float, what: int) -> None:
        key = login, what
        if key not in self._telling:
            task = asyncio.create_task(self._tell(login, why, now, what))
            self._telling[key] = task
            task.add_done_callback(lambda _: self._telling.pop(key, None))

    async def _tell(self, login: str, why: str, now: float, what: int) -> None:
        try:
            samples = self.sending.burst(login, now, what)
            if samples:
                about = tell.spam if what == SPAM else tell.burst
                said = about(login, self.domain, why, samples, self.sending.addresses(login, now))
                await tell.postmaster(self.domain, *said)
                self.sending.told(login, now, what)
        except (OSError, EOFError, TimeoutError, sqlite3.Error) as error:
            log.error("the postmaster was not told what is held of %s: %s", login, error)
