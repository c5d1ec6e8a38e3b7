"""A smart host: takes any mail after a login over TLS, as commercial relays do."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session as SmtpSession

from posthouse.lab.internet.authority import Authority
from posthouse.lab.internet.host import Host
from posthouse.lab.wait import until


@dataclass
class Relay:
    """Listens on 587 and 465. `taken` is what came: login, envelope sender, recipients, content.

    `logins` may change at any time.
    """

    host: Host
    logins: dict[str, str]
    taken: list[tuple[str, str, tuple[str, ...], bytes]] = field(default_factory=list)

    @classmethod
    def of(
        cls, host: Host, logins: dict[str, str], authority: Authority, *, named: str | None = None
    ) -> Relay:
        """Publish its name and start. `named`: another name for its certificate, to be found out by who checks."""
        relay = cls(host, logins)
        host.net.dns.set_zone(host.name, [f"@ A {host.ipv4}", f"@ AAAA {host.ipv6}"])
        context = authority.server_context(named or host.name)
        relay.start(context)
        return relay

    def start(self, context: ssl.SSLContext) -> None:
        """Listen, with a certificate."""

        def protocol(inside: bool) -> SMTP:
            return SMTP(
                self,
                hostname=self.host.name,
                tls_context=None if inside else context,
                require_starttls=not inside,
                auth_required=True,
                auth_require_tls=not inside,
                authenticator=self.authenticate,
            )

        self.host.serve(587, lambda: protocol(False))
        self.host.serve(465, lambda: protocol(True), context)

    def received(self, subject: str) -> tuple[str, str, tuple[str, ...], bytes]:
        """Await the message with this text in it: login, envelope sender, recipients, content. TimeoutError."""
        found: list[tuple[str, str, tuple[str, ...], bytes]] = []

        def came() -> bool:
            found[:] = [one for one in self.taken if subject.encode() in one[3]]
            return bool(found)

        until(came, 60, f"{subject!r} at {self.host.name}")
        return found[0]

    def authenticate(
        self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope, mechanism: str, data: object
    ) -> AuthResult:
        """Let in who has the right password, in PLAIN and LOGIN."""
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        login = data.login.decode()
        right = self.logins.get(login) == data.password.decode()
        return AuthResult(success=right, handled=False, auth_data=login if right else None)

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope) -> str:
        """Take it."""
        recipients = tuple(envelope.rcpt_tos)
        login, content = str(session.auth_data), envelope.original_content or b""
        self.taken.append((login, envelope.mail_from or "", recipients, content))
        return "250 2.0.0 taken"
