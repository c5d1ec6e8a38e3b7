"""Say before a message is taken whether the queue can take it: Postfix's policy service (SMTPD_POLICY_README).

Postfix looks for room by itself (queue_minfree), but where a file cannot be made at all (no inode left, a disk
that can only be read) its cleanup tries again every ten seconds, and the client hears nothing for hours. Here a
file is made in the same file system first, at most once a second.

With SMTPUTF8 an address may have any letter of Unicode in it; what could mislead a reader of it, or Postfix's tables,
is refused here, in time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import unicodedata
from pathlib import Path

from posthouse.agent.listening import Listening

LOOK_SECONDS = 1.0
NO_ROOM = "452 4.3.1 Insufficient system storage, try again later"  # RFC 3463 section 3.4
NOT_WRITABLE = "451 4.3.0 The mail queue cannot be written now, try again later"

STRANGE = "553 5.1.7 This address has a character that shows as nothing, or as another text"
UNKNOWN = "550 5.1.1 User unknown: addresses here are ASCII"
# Controls, surrogates, ends of lines and paragraphs; and Cf, which has what is not seen and what turns the text round.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")

log = logging.getLogger("posthouse.agent")


def objection(request: bytes) -> str | None:
    """Return how to refuse a request of Postfix for the letters in its sender or recipient, or None."""
    if request.isascii():
        return None  # Postfix looks after the controls of ASCII itself
    told = dict(line.partition("=")[::2] for line in request.decode("utf-8", "surrogateescape").split("\n"))
    sender, recipient = told.get("sender", ""), told.get("recipient", "")
    # (the two that join letters, or keep them apart, belong to the writing of some languages)
    if any(unicodedata.category(c) in _UNSEEN and c not in "\u200c\u200d" for c in sender + recipient):
        return STRANGE
    # Without a login all recipients are ours. Postfix's tables fold letters (the Kelvin sign is a k to them, ß is ss),
    # and Dovecot would not know the mailbox that was found.
    if not told.get("sasl_username") and not recipient.isascii() and recipient.casefold().isascii():
        return UNKNOWN
    return None


class Room(Listening):
    """The service on its unix socket; what it tries to make is a file beside that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._trial = path.with_name(".room")
        self._answer = "DUNNO"
        self._looked = -LOOK_SECONDS

    def answer(self) -> str:
        """Return the action for a message that comes now (access(5))."""
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_SECONDS:
            before, self._answer = self._answer, self._look()
            self._looked = now
            if before == "DUNNO" != self._answer:
                log.error("no file can be made in %s: mail is told to come later", self.path.parent)
            elif before != self._answer == "DUNNO":
                log.info("files can be made again in %s", self.path.parent)
        return self._answer

    def _look(self) -> str:
        try:
            os.close(os.open(self._trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass  # left by a cut-off look
        except OSError as error:
            return NO_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else NOT_WRITABLE
        try:
            self._trial.unlink(missing_ok=True)
        except OSError:
            return NOT_WRITABLE
        return "DUNNO"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests, each some `name=value` lines and an empty one, until Postfix goes."""
        try:
            while request := await reader.readuntil(b"\n\n"):
                action = objection(request) or self.answer()
                writer.write(f"action={action}\n\n".encode())
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # gone, or nobody who speaks this
        finally:
            writer.close()
