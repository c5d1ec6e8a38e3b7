"""Hears from Dovecot of logins that were right: notes the use of app passwords, makes old hashes anew.

Dovecot's auth writes lines into a pipe and waits for nobody (stack/dovecot/posthouse-logins.lua.j2):

    used <TAB> LOGIN <TAB> NAME in hexadecimal <TAB> ADDRESS
    old <TAB> LOGIN <TAB> PASSWORD in hexadecimal

Nobody is believed: a password is verified here again before its hash is changed. What comes while the agent is
down, or faster than it can be written, is lost; the next login tells it again. Nothing of a password is logged.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from posthouse import directory
from posthouse.agent.upgrade import Upgrader
from posthouse.directory import Connection, app_passwords
from posthouse.errors import PosthouseError

T = TypeVar("T")

PAUSE_SECONDS = 2.0  # between two writes of what was used: a hundred logins a second are one transaction
MOST_USED = 10_000
MOST_WAITING = 50  # old hashes at a time; each costs up to a second of CPU
MOST_LINE = 4096  # what a pipe takes at once (pipe(7), PIPE_BUF)

log = logging.getLogger("posthouse.agent")


class Logins:
    """The pipe, and a thread of its own with the directory opened for writing."""

    def __init__(self, place: directory.Place, path: Path, upgrader: Upgrader) -> None:
        self.path = path
        self._place = place
        self._upgrader = upgrader
        self._used: dict[tuple[str, str], tuple[float, str]] = {}
        self._waiting = 0
        self._rest = b""
        self._handle = -1
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "logins")

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self.path.unlink(missing_ok=True)
        os.mkfifo(self.path, 0o600)
        self.path.chmod(0o660)  # its group is the folder's: Dovecot's auth
        # Open for writing too, so that there is no end when the last writer goes.
        self._handle = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._handle, self._read)
        self._writing = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Stop listening, and write what was heard."""
        if self._handle < 0:
            return
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        self._handle = -1
        self.path.unlink(missing_ok=True)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._flush()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            self._rest += os.read(self._handle, 65536)
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > MOST_LINE:
            self._rest = b""
        for line in lines:
            try:
                self._hear(line.decode("ascii").split("\t"))
            except (ValueError, IndexError):
                log.error("what Dovecot told of a login is not understood")

    def _hear(self, words: list[str]) -> None:
        """Take one line. ValueError, IndexError: it is none of ours."""
        kind, login, secret = words[:3]
        text = bytes.fromhex(secret).decode("utf-8")
        if kind == "used":
            source = str(ipaddress.ip_address(words[3])) if words[3] else "?"
            if len(self._used) < MOST_USED:
                self._used[login, text] = (time.time(), source)
        elif kind == "old" and self._waiting < MOST_WAITING:
            self._waiting += 1
            asyncio.get_running_loop().run_in_executor(self._thread, self._renew, login, text)

    def _renew(self, login: str, password: str) -> None:
        try:
            said = self._in_directory(lambda connection: self._upgrader.renew(connection, login, password))
        except PosthouseError as error:
            log.error("%s: its password's hash stays as it is for now: %s", login, error)
        except Exception:
            # Its message might hold what it was given.
            log.error("%s: its password's hash was not made anew: this is a bug", login)
        else:
            if said:
                log.info("%s: %s", login, said)
        finally:
            self._waiting -= 1

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        if not self._used:
            return
        heard, self._used = self._used, {}
        rows = [(login, name, when, source) for (login, name), (when, source) in heard.items()]
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._thread, self._in_directory, lambda connection: app_passwords.used(connection, rows)
            )
        except PosthouseError as error:
            log.error("when app passwords were used last could not be noted: %s", error)

    def _in_directory(self, function: Callable[[Connection], T]) -> T:
        # Closed each time: nothing of ours stays open where the directory moves or goes away.
        with closing(directory.open_writer(self._place)) as connection, directory.transaction(connection):
            return function(connection)
