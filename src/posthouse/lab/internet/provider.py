"""A large provider: takes mail for its domain, judges every message, and says what it made of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session as SmtpSession

from posthouse.lab.internet.authority import Authority
from posthouse.lab.internet.host import Host
from posthouse.lab.internet.verdict import Envelope, Verdict, a_labels, judge
from posthouse.lab.wait import until


@dataclass(frozen=True)
class Received:
    """A message as it came, and what was made of it."""

    content: bytes
    envelope: Envelope
    verdict: Verdict

    @property
    def subject(self) -> str:
        """The Subject, as it stands there."""
        for line in self.content.split(b"\r\n"):
            if not line:
                break
            if line.lower().startswith(b"subject:"):
                return line[8:].strip().decode("utf-8", "replace")
        return ""


@dataclass
class Provider:
    """Receives mail for `domain`. `messages` are all that came, refused ones too, in their order.

    `tls` is what it offers with STARTTLS from the next connection on; None: nothing. `smtputf8`: whether it offers
    that.
    """

    host: Host
    domain: str
    messages: list[Received] = field(default_factory=list)
    trusted_sealers: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)  # local parts that do not exist
    tls: ssl.SSLContext | None = None
    smtputf8: bool = False

    @classmethod
    def of(
        cls,
        host: Host,
        domain: str,
        authority: Authority,
        *,
        named: str | None = None,
        tls: bool = True,
        smtputf8: bool = False,
    ) -> Provider:
        """Publish the domain and start to answer on port 25, with STARTTLS.

        `named`: another name for its certificate; `tls` False: somebody on the way takes STARTTLS out.
        """
        context = authority.server_context(named or host.name) if tls else None
        provider = cls(host, domain, tls=context, smtputf8=smtputf8)
        provider.publish()
        provider.serve()
        return provider

    def serve(self) -> None:
        """Begin to answer."""

        def protocol() -> SMTP:
            return SMTP(
                self,
                hostname=self.host.name,
                tls_context=self.tls,
                data_size_limit=2**26,
                enable_SMTPUTF8=self.smtputf8,
            )

        self.host.serve(25, protocol)

    def publish(self, *further: str, signed: bool = True) -> None:
        """Publish its records and further ones, which are those of a master file below its domain."""
        host = self.host
        zone = [f"@ MX 10 {host.name}.", f"{host.name}. A {host.ipv4}", f"{host.name}. AAAA {host.ipv6}"]
        zone += ['@ TXT "v=spf1 mx -all"', '_dmarc TXT "v=DMARC1; p=reject"', *further]
        host.net.dns.set_zone(self.domain, zone, signed=signed)

    def verdict(self, subject: str, timeout: float = 60.0) -> Verdict:
        """Wait for the message of this subject. LabError where it does not come."""
        return self.received(subject, timeout).verdict

    def received(self, subject: str, timeout: float = 60.0) -> Received:
        """Wait for the message of this subject. LabError where it does not come."""

        def look() -> Received | None:
            return next((one for one in self.messages if one.subject == subject), None)

        return until(look, timeout, f"{subject!r} at {self.domain}") or self.messages[-1]

    # -- aiosmtpd's hooks ---------------------------------------------------------------------------------

    async def handle_RCPT(
        self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        """Take recipients of the domain only."""
        local, _, domain = address.rpartition("@")
        if a_labels(domain) != self.domain or local in self.unknown:
            return f"550 5.1.1 {address} is not known here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope) -> str:
        """Judge, keep, and answer with the verdict."""
        content = envelope.original_content or b""
        came = _came(session, envelope)
        verdict = judge(content, came, frozenset(self.trusted_sealers))
        self.messages.append(Received(content, came, verdict))
        if verdict.folder == "refused":
            return f"550 5.7.26 {verdict}; {'; '.join(verdict.reasons)}"
        return f"250 2.0.0 {verdict}"


def _came(session: SmtpSession, envelope: SmtpEnvelope) -> Envelope:
    tls: Any = session.ssl  # asyncio's extra information on the connection
    return Envelope(
        session.peer[0] if session.peer else "",
        session.host_name or "",
        (envelope.mail_from or "").strip("<>"),  # aiosmtpd leaves them about nothing
        tuple(envelope.rcpt_tos),
        tls["ssl_object"].version() if tls else None,
        bool(envelope.smtp_utf8),
    )
