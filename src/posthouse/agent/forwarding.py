"""The milter of mail that is forwarded: in whose name it goes on, or why it does not.

Everything that leaves and was not submitted here (an alias to another host, what a Sieve script redirects, a bounce
to a rewritten sender) passes a small smtpd of its own once, one recipient at a time; see `forwarded` in master.cf.
Other mail may pass there as well: to our own mailboxes, in our own name, with no sender; it stays as it is.

    judged spam                             goes to the postmaster's Junk instead, which says for whom it was
    the author is ours, and nothing proves  the same: SPF would pass for our host, and by DMARC with it for an
    it                                      author whom somebody made up
    it was forwarded there before           refused, so that its sender learns of the loop

What cannot be judged now (directory away) stays in the queue.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import sqlite3
from dataclasses import dataclass, field
from itertools import takewhile
from urllib.parse import unquote_to_bytes

from posthouse.agent import addresses, wire
from posthouse.agent.idn import a_labels
from posthouse.agent.senders import Directory
from posthouse.agent.srs import Srs
from posthouse.errors import PosthouseError

# What the filter of the stack marks spam with (see before.sieve); the same from outside it takes away.
SPAM_HEADER, SPAM = "X-Spam", "yes"
LOOP_HEADER = "X-Loop"
# By which Dovecot says that a script redirects, and the sender beyond ASCII that Dovecot 2.3 (Debian 12) takes for
# none: the filter writes it, in ASCII as in URLs (RFC 3986 section 2.1), and takes away what came with a message.
REDIRECTED_HEADER = "X-Sieve-Redirected-From"
SENDER_HEADER = "X-Posthouse-Sender"
NOT_FORWARDED = "X-Posthouse-Not-Forwarded"
MOST_DOMAINS = 20  # of authors
LOOP = "554 5.4.6 This message was forwarded to that address before: forwarding goes round in a circle"
TRY_LATER = "451 4.3.0 This message cannot be forwarded now, try again later"
_DOMAIN = re.compile(r"@\s*([\w.-]+)")
_LOCALHOST = re.compile(r"localhost(\..*)?")

log = logging.getLogger("posthouse.agent")


@dataclass(frozen=True)
class Forwarder:
    """What a session needs: the directory, who rewrites senders, and a key for marks against loops."""

    directory: Directory
    srs: Srs

    def is_ours(self, domain: str) -> bool:
        """Tell whether mail of a domain stays here. Raises PosthouseError."""
        domain = a_labels(domain)
        return (
            domain == self.directory.hostname
            or _LOCALHOST.fullmatch(domain) is not None
            or self.directory.is_ours(domain)
        )

    def mark(self, recipient: str) -> str:
        """Say that a message was forwarded to a recipient, so that only we can tell."""
        key, text = self.srs.secrets[0], f"loop {recipient.lower()}".encode()
        return f"{hmac.digest(key, text, hashlib.sha256).hex()[:20]}@{self.srs.domain}"


@dataclass
class Message:
    """What is known of the message that is being received."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    is_spam: bool = False
    is_redirected: bool = False
    first_sender: str = ""
    results: bytes | None = None  # of the filter here (RFC 8601)
    marks: set[str] = field(default_factory=set)
    author_domains: set[str] = field(default_factory=set)

    def header(self, name: bytes, value: bytes, authority: str) -> None:
        """Take one header field; `authority`: the name that our filter's results carry."""
        known, text = name.strip().lower(), value.strip()
        if known == SPAM_HEADER.lower().encode():
            self.is_spam = self.is_spam or text.lower() == SPAM.encode()
        elif known == b"authentication-results" and self.results is None:
            if text.split(b";")[0].strip().lower() == authority.encode():
                self.results = text.lower()
        elif known == LOOP_HEADER.lower().encode():
            self.marks.add(text.decode("ascii", "replace"))
        elif known == REDIRECTED_HEADER.lower().encode():
            self.is_redirected = True
        elif known == SENDER_HEADER.lower().encode():
            self.first_sender = unquote_to_bytes(text).decode("utf-8", "replace")
        elif known == b"from":
            self.author_domains |= _domains(value)

    def is_proven(self, domain: str) -> bool:
        """Tell whether the filter found who is named as the author to be that, or was not asked (own mail).

        A sender can get text of his own into the results, quotes or not: his address, behind `smtp.`. So DMARC's
        must be the only one, and DKIM's must stand before that; a DKIM-Signature's values have no semicolons.
        """
        if self.results is None:
            return True
        parts = [part.strip() for part in self.results.split(b";")]
        named = rb"\sheader\.%%b=%b(?=\s|$)" % re.escape(domain.encode())
        passed = re.compile(rb"dmarc=pass\b.*" + named % b"from", re.DOTALL)
        if self.results.count(b"dmarc=") == 1 and any(passed.match(part) for part in parts):
            return True
        signed = re.compile(rb"dkim=pass\b.*" + named % b"d", re.DOTALL)
        return any(signed.match(part) for part in takewhile(lambda part: b"smtp." not in part, parts))


def _domains(value: bytes) -> set[str]:
    """The domains of a From:, lower case; where mail programs might disagree, of all that looks like an address."""
    try:
        found = [box.address.rpartition("@")[2] for box in addresses.read(value)]
    except addresses.Unclear:
        found = _DOMAIN.findall(value.decode("utf-8", "replace"))
    return {a_labels(one).rstrip(".") for one in found}


class Session:
    """One connection of Postfix: packets in, packets out."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.message: Message | None = None

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""
        if command == wire.OPTIONS:
            return wire.options(data, {}, wire.STEPS & ~wire.NO_RCPT, wire.ON_RECIPIENTS)
        if command in (wire.ABORT, wire.QUIT_BUT_STAY):
            self.message = None
        if command in (wire.MACRO, wire.ABORT, wire.QUIT_BUT_STAY):
            return b""
        if command == wire.HELO:
            return wire.go_on()
        if command == wire.MAIL:
            self.message = Message(wire.address(data))
            return wire.go_on()
        if (message := self.message) is None:
            raise wire.ProtocolError(f"command {command!r} outside a message")
        if command == wire.RECIPIENT:
            message.recipients.append(wire.address(data))
            return wire.go_on()
        if command == wire.HEADER:
            message.header(*wire.header(data), self.forwarder.directory.hostname)
            return b""
        if command == wire.END:
            self.message = None
            return await self._end(message)
        raise wire.ProtocolError(f"command {command!r} was not asked for")

    async def close(self) -> None:
        """Nothing to give back."""

    async def _end(self, message: Message) -> bytes:
        if len(message.recipients) != 1:
            log.error("a message to be forwarded has %d recipients, not 1", len(message.recipients))
            return wire.reply(TRY_LATER)
        try:
            return await self.forwarder.directory.ask(lambda: self._judged(message, message.recipients[0]))
        except (PosthouseError, sqlite3.Error) as error:
            log.error("cannot forward a message: %s", error)
            return wire.reply(TRY_LATER)

    def _judged(self, message: Message, recipient: str) -> bytes:
        forwarder = self.forwarder
        if forwarder.is_ours(_domain(recipient)):
            return wire.go_on()
        mark = forwarder.mark(recipient)
        if mark in message.marks:
            log.warning("not forwarded to %s: it was before", recipient)
            return wire.reply(LOOP)
        if reason := self._reason_against(message):
            return self._kept_here(message, recipient, reason)
        edits = wire.insert_header(LOOP_HEADER, mark)
        sender = message.sender or (message.first_sender if message.is_redirected else "")
        if sender and not forwarder.is_ours(_domain(sender)):
            edits += wire.change_sender(forwarder.srs.forward(sender))
        if message.first_sender:
            edits += wire.delete_header(SENDER_HEADER, 1)
        return edits + wire.go_on()

    def _reason_against(self, message: Message) -> str:
        if message.is_spam:
            return "judged spam"
        if len(message.author_domains) > MOST_DOMAINS:
            return "names too many authors"
        for domain in sorted(message.author_domains):
            if self.forwarder.is_ours(domain) and not message.is_proven(domain):
                return f"nothing proves that it is from {domain}"
        return ""

    def _kept_here(self, message: Message, recipient: str, reason: str) -> bytes:
        postmaster = self.forwarder.directory.names.postmaster
        log.warning("not forwarded to %s but kept for %s: %s", recipient, postmaster, reason)
        edits = wire.change_recipient(recipient, postmaster)
        edits += wire.insert_header(NOT_FORWARDED, f"to <{recipient}>: {reason}")
        if not message.is_spam:
            edits += wire.insert_header(SPAM_HEADER, SPAM.title())
        return edits + wire.go_on()


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
