r"""The milter of submitted and local mail: asks `policy`, sees to the DKIM key, answers Postfix.

One task a connection, one connection a client of Postfix; of each message we see the envelope sender and the
headers, and answer twice. What we cannot judge (directory away, not a login and not local, nonsense on the
socket) is answered with "try again later", never let through: a closed connection is that answer too
(`milter_default_action = tempfail`).

Postfix tells by the macro {daemon_name} what kind of mail it is: LOCAL
(`-o milter_macro_daemon_name=LOCAL` at the cleanup service that pickup(8) uses), ORIGINATING came by SMTP and
needs {auth_authen}. It has no macro for the Unix user: that stands only in the Received: header that
pickup writes, and Postfix hides its own first Received: from milters. So that cleanup service gives it
another name by `header_checks` (with `mime_header_checks` and `nested_header_checks` empty):

    /^Received: by [^ ]+ \(Postfix, from userid ([0-9]+)\)[[:space:]]+id ([0-9A-Za-z]+); *(.*)/
        REPLACE X-Posthouse-User: $1 $2 $3

It is the first header, for nobody can write before pickup; and it carries the queue id, which nobody knows
before cleanup has chosen it. The agent takes it out and puts a Received: without the user in its place.
"""

from __future__ import annotations

import logging
import pwd
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from posthouse.agent import policy, senders, server, wire
from posthouse.agent.keys import KeyNotMade
from posthouse.errors import PosthouseError

T = TypeVar("T")

LOCAL = "LOCAL"  # {daemon_name}
MACROS = {
    wire.AT_HELO: "{daemon_name}",
    wire.AT_MAIL: "{auth_authen} {daemon_name} {client_addr}",
    wire.AT_END: "i",
}
TOP = 3  # headers that tell where local mail comes from
# Said to the filter in the Received: header of a redirected message, which it must not sign.
PASSED_ON = "passed on for its recipient"
LOG_IN = "530 5.7.0 Log in before you send mail"  # RFC 4954 section 6
TRY_LATER = "451 4.3.0 This message cannot be checked now, try again later"
NO_LOGIN = (
    "454 4.7.0 Temporary authentication failure: the directory is away, try again later"  # RFC 4954 section 6
)

log = logging.getLogger("posthouse.agent")


@dataclass(frozen=True)
class Service:
    """What a session needs from the rest of the agent."""

    directory: senders.Directory
    ensure_key: Callable[[str], Awaitable[None]]
    # counts a message of (login or "Unix user NAME", client's address, recipients, subject, queue id); says why it is
    # to be held
    count: Callable[[str, str, list[str], str, str], str] = lambda *_: ""


@dataclass
class Message:
    """What is known of the message that is being received."""

    sender: str
    login: str
    local: bool
    client: str = ""
    recipients: list[str] = field(default_factory=list)
    subject: str = ""
    top: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: policy.Headers = field(default_factory=policy.Headers)


class Session:
    """One connection of Postfix: packets in, packets out."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.macros: dict[bytes, dict[str, str]] = {}
        self.message: Message | None = None
        self.mark: int | None = None  # when the session began, by the directory's marks

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""
        if command == wire.OPTIONS:
            return wire.options(data, MACROS, wire.STEPS & ~wire.NO_RCPT, wire.ACTIONS | wire.QUARANTINE)
        if command == wire.MACRO:
            stage, values = wire.macros(data)
            if stage in (wire.HELO, wire.MAIL, wire.END):
                self.macros[stage] = values
            return b""
        if command in (wire.ABORT, wire.QUIT_BUT_STAY):
            self._forget()
            return b""
        if command == wire.HELO:
            return await self._helo()
        if command == wire.MAIL:
            return await self._mail(data)
        if self.message is None:
            raise wire.ProtocolError(f"command {command!r} outside a message")
        if command == wire.RECIPIENT:
            self.message.recipients.append(wire.address(data))
            return wire.go_on()
        if command == wire.HEADER:
            self._header(self.message, *wire.header(data))
            return b""
        if command == wire.END:
            try:
                return await self._end(self.message)
            finally:
                self._forget()
        raise wire.ProtocolError(f"command {command!r} was not asked for")

    async def close(self) -> None:
        """Nothing to give back."""

    async def _helo(self) -> bytes:
        """Say "later" to a client who is about to log in while the directory is away.

        Postfix keeps this answer for AUTH too; what Dovecot says then ("temporary") it would hand on as a wrong
        password (535; xsasl_dovecot_server.c takes no notice of `temp`).
        """
        if self.macros.get(wire.HELO, {}).get("daemon_name") == LOCAL:
            return wire.go_on()
        try:
            mark = await self._ask(self.service.directory.mark)
        except PosthouseError as error:
            return _later("nobody can log in", error, NO_LOGIN)
        # The first of a session: a login may come right after it, and no later HELO makes that a new one.
        self.mark = mark if self.mark is None else self.mark
        return wire.go_on()

    def _forget(self) -> None:
        self.macros.clear()
        self.message = None

    async def _mail(self, data: bytes) -> bytes:
        sender = wire.address(data)
        macros = self.macros.get(wire.MAIL, {})
        self.message = Message(
            sender,
            macros.get("auth_authen", "").lower(),
            macros.get("daemon_name") == LOCAL,
            macros.get("client_addr", ""),
        )
        if self.message.local:
            return wire.go_on()  # who it is stands in the first header
        if not self.message.login:
            return wire.reply(LOG_IN)
        who = senders.Login(self.message.login, self.service.directory)
        try:
            if barred := await self._barred(self.message):
                return barred
            refusal = await self._ask(lambda: policy.check_envelope(who, sender))
        except PosthouseError as error:
            return _later("cannot judge a message", error)
        return self._refused(who, refusal) if refusal else wire.go_on()

    def _header(self, message: Message, name: bytes, value: bytes) -> None:
        if len(message.top) < TOP:
            message.top.append((name, value))
        message.headers.add(name, value)
        if name.lower() == b"subject":
            message.subject = value.decode("utf-8", "replace").strip()[:100]

    async def _end(self, message: Message) -> bytes:
        try:
            if message.local:
                return await self._end_local(message)
            if barred := await self._barred(message):
                return barred
            who = senders.Login(message.login, self.service.directory)
            refusal = await self._judged(who, message)
            if refusal:
                return self._refused(who, refusal)
            return self._held(message, message.login) + await self._take(message)
        except (PosthouseError, sqlite3.Error) as error:
            return _later("cannot judge a message", error)
        except KeyNotMade as error:
            return _later("a DKIM key is missing", error)

    async def _barred(self, message: Message) -> bytes:
        """End the session of a login that is over, by 421 (RFC 5321 section 3.8): the client keeps the message."""
        mark = self.mark or 0
        reason = await self._ask(lambda: self.service.directory.barred(message.login, mark))
        if reason is None:
            return b""
        log.warning("Login %s: session ended: %s", message.login, reason)
        return wire.reply(f"421 4.7.0 {reason[0].upper()}{reason[1:]}")

    async def _end_local(self, message: Message) -> bytes:
        origin = senders.Origin.read(message.top)
        name = self._unix_name(origin)
        if origin is None or name is None:
            return wire.reply(TRY_LATER)
        if senders.is_redirected(name, message.top):
            return self._received(origin, f"Postfix, {PASSED_ON}") + wire.go_on()
        who = senders.unix_sender(name, message.sender, self.service.directory)
        refusal = await self._judged(who, message)
        edits = self._received(origin, "Postfix")
        if refusal is None:
            # An answer by itself goes out with a null sender, so that nothing ever answers it (RFC 3834 section 3.3).
            quiet = wire.change_sender("") if isinstance(who, senders.Sieve) and message.sender else b""
            # (Dovecot answers each sender once in days; what a script redirects came from outside)
            held = self._held(message, str(who)) if isinstance(who, senders.UnixUser) else b""
            return edits + quiet + held + await self._take(message)
        # Postfix returns refused local mail to its sender: to the real one, not to a claimed one.
        returns_to = await self._ask(lambda: who.returns_to)
        return edits + wire.change_sender(returns_to) + self._refused(who, refusal)

    def _received(self, origin: senders.Origin, by: str) -> bytes:
        text = f"by {self.service.directory.hostname} ({by})\n\tid {origin.queue_id}; {origin.date}"
        return wire.delete_header(senders.UNIX_HEADER, 1) + wire.insert_header("Received", text)

    async def _take(self, message: Message) -> bytes:
        is_ours = self.service.directory.is_ours
        for domain in await self._ask(lambda: [name for name in message.headers.domains() if is_ours(name)]):
            await self.service.ensure_key(domain)
        return wire.go_on()

    async def _judged(self, who: policy.Sender, message: Message) -> policy.Refusal | None:
        return await self._ask(
            lambda: policy.check_envelope(who, message.sender) or policy.check_headers(who, message.headers)
        )

    async def _ask(self, function: Callable[[], T]) -> T:
        return await self.service.directory.ask(function)

    def _held(self, message: Message, login: str) -> bytes:
        """Have a message held that is one too many for its login, or Unix user."""
        queue_id = self.macros.get(wire.END, {}).get("i", "")
        client = "" if message.local else message.client
        why = self.service.count(login, client, message.recipients, message.subject, queue_id)
        if not why:
            return b""
        log.warning("%s: held: %s", queue_id, why)
        return wire.hold(why)

    def _unix_name(self, origin: senders.Origin | None) -> str | None:
        queue_id = self.macros.get(wire.END, {}).get("i", "")
        if origin is None or origin.queue_id != queue_id:
            log.error("%s: local mail without pickup's header; see header_checks of localcleanup", queue_id)
            return None
        try:
            return pwd.getpwuid(origin.number).pw_name
        except (KeyError, OverflowError):
            log.error("%s: local mail from user number %d, who does not exist", queue_id, origin.number)
            return None

    def _refused(self, who: policy.Sender, refusal: policy.Refusal) -> bytes:
        log.warning("%s: refused, %s: %s", self.macros.get(wire.END, {}).get("i", "NOQUEUE"), who, refusal)
        return wire.reply(str(refusal))


def _later(what: str, error: Exception, answer: str = TRY_LATER) -> bytes:
    log.error("%s: %s", what, error)
    return wire.reply(answer)


class Milter(server.Server):
    """The server of Postfix's questions on submitted and local mail."""

    def __init__(self, service: Service, path: Path) -> None:
        super().__init__(lambda: Session(service), path)
