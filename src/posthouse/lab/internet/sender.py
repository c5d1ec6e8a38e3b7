"""A mail domain elsewhere and the host it sends from: honest by default, and whatever a test wants of it."""

from __future__ import annotations

import base64
import smtplib
import socket
import uuid
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import dkim
from posthouse.lab.internet.host import Host

_SELECTOR = "s1"
_SIGNED = [b"from", b"to", b"subject", b"date", b"message-id"]


class _Client(smtplib.SMTP):
    """smtplib, from a host of the network."""

    def __init__(self, host: Host, address: str, port: int) -> None:
        self._from = host
        super().__init__(address, port, local_hostname=host.name, timeout=60)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._from.connect(host, port, timeout)


@dataclass
class Sender:
    """Sends as anybody at `domain`, which has SPF, DKIM (RSA-2048) and DMARC `policy`, from `host`."""

    host: Host
    domain: str
    spf: str
    policy: str | None
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @classmethod
    def of(cls, host: Host, domain: str, *, spf: str | None = None, policy: str | None = "reject") -> Sender:
        """Publish the domain. `spf`: its record, `policy`: of DMARC, None for none."""
        own = f"v=spf1 ip4:{host.ipv4} ip6:{host.ipv6} -all"
        sender = cls(host, domain, own if spf is None else spf, policy)
        sender.publish()
        return sender

    def publish(self) -> None:
        """Publish its records again, after a change."""
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        text = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
        records = [
            f"{self.host.name}. A {self.host.ipv4}",
            f"{self.host.name}. AAAA {self.host.ipv6}",
            f"@ MX 10 {self.host.name}.",
            f'{_SELECTOR}._domainkey TXT "{text[:200]}" "{text[200:]}"',
        ]
        if self.spf:
            records.append(f'@ TXT "{self.spf}"')
        if self.policy is not None:
            records.append(f'_dmarc TXT "v=DMARC1; p={self.policy}"')
        self.host.net.dns.set_zone(self.domain, records)

    def letter(self, to: str, *, author: str | None = None, subject: str | None = None) -> EmailMessage:
        """A plain letter, by ann@ unless somebody else is said to be its author."""
        message = EmailMessage()
        message["From"] = author or f"ann@{self.domain}"
        message["To"] = to
        message["Subject"] = subject or f"letter {uuid.uuid4().hex}"
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=self.domain)
        message.set_content("Good day,\n\nthis is a letter as people write them.\n\nAnn\n")
        return message

    def signed(self, content: bytes) -> bytes:
        """Put this domain's signature (relaxed/relaxed) on a message; its lines end with CRLF."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        domain, selector = self.domain.encode(), _SELECTOR.encode()
        header = dkim.sign(
            content, selector, domain, pem, canonicalize=(b"relaxed", b"relaxed"), include_headers=_SIGNED
        )
        return bytes(header) + content

    def send(
        self,
        server: str,
        to: str,
        message: EmailMessage | bytes | None = None,
        *,
        envelope_sender: str | None = None,
        sign: bool = True,
        tls: bool = True,
        tampered: bool = False,
        smtputf8: bool = False,
    ) -> tuple[int, str]:
        """Send to the server at this address; return the answer to the message, or the refusal before it.

        `tampered`: the body is changed after the signature was made. `smtputf8`: ask for that (RFC 6531).
        """
        content = message if isinstance(message, bytes) else None
        if content is None:
            letter = message if isinstance(message, EmailMessage) else self.letter(to)
            content = letter.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        content = self.signed(content) if sign else content
        if tampered:
            content += b"One more line, from somebody on the way.\r\n"
        sender = f"ann@{self.domain}" if envelope_sender is None else envelope_sender
        return deliver(self.host, server, sender, to, content, tls=tls, smtputf8=smtputf8)


def deliver(
    host: Host,
    server: str,
    sender: str,
    to: str,
    content: bytes,
    *,
    tls: bool = True,
    smtputf8: bool = False,
) -> tuple[int, str]:
    """Speak SMTP to a server from a host; return the answer to the message, or the refusal before it."""
    try:
        with _Client(host, server, 25) as client:
            client.ehlo()
            if tls and client.has_extn("starttls"):
                client.starttls()
                client.ehlo()
            options = ["BODY=8BITMIME", "SMTPUTF8"] if smtputf8 else []
            code, text = client.mail(sender, options)
            if code < 400:
                code, text = client.rcpt(to)
            if code >= 400:
                return code, text.decode("utf-8", "replace")
            code, text = client.data(content)
            return code, text.decode("utf-8", "replace")
    except smtplib.SMTPResponseException as refusal:
        raw = refusal.smtp_error
        return refusal.smtp_code, raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
