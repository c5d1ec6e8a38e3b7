"""A smart host: takes any mail after a login over TLS, as commercial relays do."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session as SmtpSession

from posthouse.lab.internet.authority import Authority
from posthouse.lab.internet.host import Host


@dataclass
class Relay:
    """Listens on 587. `taken` is what came: login, envelope sender, recipients, content."""

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
        host.serve(
            587,
            lambda: SMTP(
                relay,
                hostname=host.name,
                tls_context=context,
                require_starttls=True,
                auth_required=True,
                auth_require_tls=True,
                authenticator=relay.authenticate,
            ),
        )
        return relay

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
