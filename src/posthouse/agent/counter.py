"""Counts what is submitted, and tells the postmaster of a burst."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time

from posthouse.agent import tell
from posthouse.agent.sending import Sending

log = logging.getLogger("posthouse.agent")


class Counter:
    """The counts of `sending`, and who is told: the postmaster of `domain`."""

    def __init__(self, sending: Sending, domain: str) -> None:
        self.sending = sending
        self.domain = domain
        self._telling: dict[str, asyncio.Task[None]] = {}

    def count(self, login: str, address: str, recipients: list[str], subject: str, queue_id: str) -> str:
        """Count a message; return why it is to be held, "" where it may go. Raises sqlite3.Error."""
        now = time.time()
        why = self.sending.judge(login, address, recipients, now, subject, queue_id)
        if why and login not in self._telling:
            task = asyncio.create_task(self._tell(login, why, now))
            self._telling[login] = task
            task.add_done_callback(lambda _: self._telling.pop(login, None))
        return why

    async def _tell(self, login: str, why: str, now: float) -> None:
        try:
            samples = self.sending.burst(login, now)
            if samples:
                said = tell.burst(login, why, samples, self.sending.addresses(login, now))
                await tell.postmaster(self.domain, *said)
                self.sending.told(login, now)
        except (OSError, EOFError, TimeoutError, sqlite3.Error) as error:
            log.error("the postmaster was not told that %s sends too much: %s", login, error)
