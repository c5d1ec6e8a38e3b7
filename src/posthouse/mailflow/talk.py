"""Sessions with the mail server on this machine, as a client from outside would have them."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from poplib import error_proto
from typing import TypeVar

from posthouse.mailflow.dialogue import Dialogue, Imap, ImapTls, Smtp, SmtpTls
from posthouse.mailflow.managesieve import ManageSieve, Refused
from posthouse.mailflow.pop3 import Pop3, Pop3Tls

HOST = "127.0.0.1"
SOURCE = "127.0.0.2"  # another than HOST: Dovecot takes a client with its own address for a safe one
CLIENT = "probe.invalid"  # RFC 6761 section 6.4: nobody's
ANSWER_SECONDS = 20.0
ARRIVAL_SECONDS = 30.0
OPENING_SECONDS = 10.0
POLL_SECONDS = 0.02
_Client = TypeVar("_Client")


class Unexpected(Exception):
    """The server answered otherwise than expected; the message says what was expected and what came."""


def tls() -> ssl.SSLContext:
    """Return a context that takes any certificate: which one it must be is compared afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Talk:
    """Sessions that all write to one dialogue, and know the certificate that must be served."""

    def __init__(self, dialogue: Dialogue, chain: Path) -> None:
        self.dialogue = dialogue
        self.chain = chain

    @contextmanager
    def smtp(self, port: int) -> Iterator[Smtp | SmtpTls]:
        """Open SMTP: in the open on 25 and 587, inside TLS on 465. EHLO is said."""
        client: Smtp | SmtpTls
        self.dialogue.note("-", f"connect to {HOST} port {port}")
        if port == 465:
            client = SmtpTls(self.dialogue, HOST, port, CLIENT, ANSWER_SECONDS, tls())
        else:
            client = Smtp(self.dialogue, HOST, port, CLIENT, ANSWER_SECONDS)
        try:
            if port == 465:
                self.compare(client.sock)
            expect(client.ehlo(), 250, "an answer to EHLO")
            yield client
            with suppress(OSError):
                client.quit()
        finally:
            client.close()

    def starttls(self, client: Smtp | SmtpTls) -> None:
        """Begin TLS, see that the certificate is ours, and say EHLO again."""
        expect(client.starttls(context=tls()), 220, "an answer to STARTTLS")
        self.compare(client.sock)
        expect(client.ehlo(), 250, "an answer to EHLO inside TLS")

    @contextmanager
    def imap(self, port: int, address: str, password: str) -> Iterator[Imap | ImapTls]:
        """Open IMAP, 143 with STARTTLS or 993, log in and select INBOX. On 143 see that TLS is a must."""
        client: Imap | ImapTls
        self.dialogue.note("-", f"connect to {HOST} port {port}")
        if port == 993:
            client = ImapTls(self.dialogue, HOST, port, ANSWER_SECONDS, tls())
        else:
            client = Imap(self.dialogue, HOST, port, SOURCE, ANSWER_SECONDS)
            offered = [word for word in client.capabilities if word.startswith("AUTH=")]
            if offered or "LOGINDISABLED" not in client.capabilities:
                raise Unexpected(f"expected LOGINDISABLED before TLS, found {' '.join(client.capabilities)}")
            client.starttls(tls())
        try:
            self.compare(client.sock)
            client.login(address, password)
            select(client, "INBOX")
            yield client
            with suppress(OSError, client.error):
                client.logout()
        finally:
            with suppress(OSError):
                client.shutdown()

    @contextmanager
    def pop3(self, port: int, address: str, password: str) -> Iterator[Pop3 | Pop3Tls]:
        """Open POP3, 110 with STLS or 995, and log in. On 110 see that TLS is a must."""
        client: Pop3 | Pop3Tls
        self.dialogue.note("-", f"connect to {HOST} port {port}")
        if port == 995:
            client = opened(lambda: Pop3Tls(self.dialogue, HOST, port, ANSWER_SECONDS, tls()))
        else:
            client = opened(lambda: Pop3(self.dialogue, HOST, port, SOURCE, ANSWER_SECONDS))
        try:
            if port != 995:
                offered = client.capa()
                if "USER" in offered or offered.get("SASL"):
                    raise Unexpected(f"expected no login before TLS, found {' '.join(offered)}")
                client.stls(tls())
            self.compare(client.sock)
            client.user(address)
            client.pass_(password)
            yield client
            with suppress(OSError, error_proto):
                client.quit()
        finally:
            client.close()

    @contextmanager
    def managesieve(self, port: int, address: str, password: str) -> Iterator[ManageSieve]:
        """Open ManageSieve, begin TLS, and log in. See that TLS is a must."""
        self.dialogue.note("-", f"connect to {HOST} port {port}")
        client = opened(lambda: ManageSieve(self.dialogue, HOST, port, SOURCE, ANSWER_SECONDS))
        try:
            if client.capabilities.get("SASL"):
                raise Unexpected(f"expected no login before TLS, found {client.capabilities['SASL']}")
            client.starttls(tls())
            self.compare(client.sock)
            client.login(address, password)
            yield client
            with suppress(OSError, EOFError, Refused):
                client.logout()
        except Refused as error:
            raise Unexpected(f"expected the ManageSieve server to agree, found: {error}") from None
        finally:
            client.close()

    def compare(self, connection: object) -> None:
        """See that the server shows the certificate in use. Raises Unexpected."""
        assert isinstance(connection, ssl.SSLSocket)
        text = self.chain.read_text(encoding="ascii")
        first = text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
        wanted = ssl.PEM_cert_to_DER_cert(first[first.index("-----BEGIN") :])
        self.dialogue.note("-", f"{connection.version()}, {(connection.cipher() or ('?',))[0]}")
        if connection.getpeercert(binary_form=True) != wanted:
            raise Unexpected(
                f"expected the certificate in {self.chain}, found another one: restart the service"
            )


def opened(connect: Callable[[], _Client]) -> _Client:
    """Connect; a port that is closed may open in a moment: Dovecot takes up a further protocol after a reload."""
    deadline = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def expect(said: tuple[int, bytes], code: int, what: str) -> str:
    """Return a reply's text if it has the code (550 means exactly that, 5 any of that kind)."""
    found = said[0] // 10 ** (3 - len(str(code)))
    text = said[1].decode("utf-8", "replace").replace("\n", " ")
    if found != code:
        kind = str(code).ljust(3, "x")
        raise Unexpected(f"expected {what} ({kind}), found: {said[0]} {text}")
    return text


def send(client: Smtp | SmtpTls, sender: str, to: str, message: bytes) -> str:
    """Send one message and return its queue id ("" where the server does not say it)."""
    expect(client.docmd("MAIL", f"FROM:<{sender}>"), 250, f"the sender <{sender}> to be taken")
    expect(client.docmd("RCPT", f"TO:<{to}>"), 250, f"the recipient <{to}> to be taken")
    expect(client.docmd("DATA"), 354, "to be told to send the message")
    client.dialogue.note("C", f"[a message of {len(message)} bytes]")
    client.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    text = expect(client.getreply(), 250, "the message to be taken")
    queued = re.search(r"queued as (\w+)", text)
    return queued[1] if queued else ""


def letter(sender: str, to: str, token: str) -> bytes:
    """Return a plain message that says what it is."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Posthouse probe <{sender}>"
    message["To"] = f"<{to}>"
    message["Subject"] = f"Posthouse probe {token}"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "This message was sent by `posthouse probe`, to see that mail flows. It is removed again.\n"
    )
    return message.as_bytes()


def arrived(client: Imap | ImapTls, token: str) -> bytes:
    """Await the message with this token in INBOX and return it. Raises Unexpected."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    quiet = len(client.dialogue.lines)
    looks = 0
    while True:
        client.noop()
        message = _found(client, token)
        if message is not None:
            return message
        looks += 1
        if looks % 50 == 0 or time.monotonic() > deadline:
            if (junk := _in_junk(client, token)) is not None:
                raise Unexpected(f"expected the message in INBOX, found it in Junk: {_verdict(junk)}")
            if time.monotonic() > deadline:
                raise Unexpected(
                    f"expected the message in INBOX, found nothing within {ARRIVAL_SECONDS:.0f} s"
                )
        del client.dialogue.lines[quiet:]
        client.dialogue.note("-", f"looked {looks} times, every {POLL_SECONDS * 1000:.0f} ms")
        time.sleep(POLL_SECONDS)


def select(client: Imap | ImapTls, folder: str) -> list[bytes | None]:
    """Open a folder and return the number of its messages. Raises Unexpected."""
    answer, said = client.select(folder)
    if answer != "OK":
        raise Unexpected(f"expected {folder} to open, found: {said[0]!r}")
    return said


def clear(client: Imap | ImapTls) -> None:
    """Remove every message of the probe's account."""
    for folder in ("Junk", "INBOX"):
        count = select(client, folder)
        if count[0] not in (None, b"0"):
            client.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
            client.expunge()


def _found(client: Imap | ImapTls, token: str) -> bytes | None:
    _, data = client.uid("SEARCH", "SUBJECT", token)
    numbers = data[0].split() if data and data[0] else []
    if not numbers:
        return None
    _, parts = client.uid("FETCH", numbers[-1].decode(), "(BODY.PEEK[])")
    return next((part[1] for part in parts if isinstance(part, tuple)), None)


def _in_junk(client: Imap | ImapTls, token: str) -> bytes | None:
    select(client, "Junk")
    message = _found(client, token)
    select(client, "INBOX")
    return message


def _verdict(message: bytes) -> str:
    from email import message_from_bytes

    headers = message_from_bytes(message)
    spam = [
        f"{name}: {' '.join(str(text).split())}" for name, text in headers.items() if "spam" in name.lower()
    ]
    return "; ".join(spam) or "without a header that says why"
