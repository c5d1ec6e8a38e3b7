"""Hosts on the way: one that forwards as hosts did before SPF, one that changes what it passes on, a mailing list.

With nowhere to forward to it is a plain mailbox: `taken` is what came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session as SmtpSession

from posthouse.lab.internet.authority import Authority
from posthouse.lab.internet.host import Host
from posthouse.lab.internet.sender import deliver
from posthouse.lab.wait import until

Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Taken:
    """A message as it came: envelope sender, recipient, content."""

    sender: str
    recipient: str
    content: bytes


@dataclass
class Forwarder:
    """Takes any mail for `domain` on port 25 and passes it on to `to` at the server, if there is one.

    The envelope sender stays as it is, so SPF fails behind it. `answers` are the next servers'.
    """

    host: Host
    domain: str
    to: str | None = None
    server: str = ""
    change: Change = bytes
    taken: list[Taken] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    def serve(self, authority: Authority, smtputf8: bool = False) -> None:
        """Begin to answer, with STARTTLS, and SMTPUTF8 where it is said."""
        context = authority.server_context(self.host.name)
        protocol = lambda: SMTP(self, hostname=self.host.name, tls_context=context, enable_SMTPUTF8=smtputf8)  # noqa: E731
        self.host.serve(25, protocol)

    def publish(self) -> None:
        """Publish the domain and its host."""
        addresses = [f"{self.host.name}. A {self.host.ipv4}", f"{self.host.name}. AAAA {self.host.ipv6}"]
        self.host.net.dns.set_zone(
            self.domain, [*addresses, f"@ MX 10 {self.host.name}.", '@ TXT "v=spf1 mx -all"']
        )

    def await_taken(self, text: str, timeout: float = 60.0) -> Taken:
        """Wait for a message with this text in it. LabError where none comes."""

        def look() -> Taken | None:
            return next((one for one in self.taken if text.encode() in one.content), None)

        return until(look, timeout, f"{text!r} at {self.domain}") or self.taken[-1]

    # -- aiosmtpd's hooks ---------------------------------------------------------------------------------

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope) -> str:
        """Take it, and pass it on."""
        content, sender = envelope.original_content or b"", (envelope.mail_from or "").strip("<>")
        for recipient in envelope.rcpt_tos:
            self.taken.append(Taken(sender, recipient, content))
        if self.to is not None:
            passed = self.change(b"Received: by %s\r\n" % self.host.name.encode() + content)
            answer = await asyncio.to_thread(deliver, self.host, self.server, sender, self.to, passed)
            self.answers.append(answer)
        return "250 2.0.0 taken"


def tampered(content: bytes) -> bytes:
    """A message with one more line in its body: no signature over it holds."""
    return content + b"One more line, from somebody on the way.\r\n"


def as_a_list(content: bytes) -> bytes:
    """A message as a mailing list sends it on: a tag in its subject, a footer; its author stays."""
    head, separator, body = content.partition(b"\r\n\r\n")
    head = head.replace(b"\r\nSubject: ", b"\r\nSubject: [list] ", 1) + b"\r\nList-Id: <list.example>"
    return head + separator + body + b"-- \r\nTo leave this list, write to its owner.\r\n"
