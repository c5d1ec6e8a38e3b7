"""A machine that `up` made a mail server, as the tests use it: its commands, and clients that come from outside."""

from __future__ import annotations

import email.policy
import re
import secrets
import smtplib
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import dns.message
import dns.query
from imapclient import IMAPClient

from posthouse.lab import Machine, Network, Result, netns
from posthouse.lab.wait import until

CHECKOUT = Path(__file__).parents[2]
DOMAIN = "snorl.ax"
HOST = "mail.snorl.ax"
USER = "user@snorl.ax"
PASSWORD = 'correct horse % "battery" $taple'
STRANGER = "somebody@elsewhere.example"


def trusting() -> ssl.SSLContext:
    """A TLS context for a server that is still self-signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def unique() -> str:
    """Eight letters that no other test has. No digits: filters take a host with such a name for a dial-up line."""
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(8))


def letter(
    sender: str = STRANGER, to: str = USER, subject: str | None = None, text: str = "Hello.\n", **headers: str
) -> EmailMessage:
    """A plain honest message; its subject is new each time unless given."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = sender
    message["To"] = to
    # (SpamAssassin takes a long row of hexadecimal digits for a tracker, and some for the address of a bitcoin)
    message["Subject"] = subject or f"letter-{uuid.uuid4().hex[:12]}"
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = f"<{uuid.uuid4().hex}@{sender.rpartition('@')[2] or DOMAIN}>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


class Server:
    """A mail server under test."""

    def __init__(self, machine: Machine, net: Network, filter: str = "rspamd") -> None:
        self.machine = machine
        self.net = net
        self.filter = filter

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return self.machine.ipv4

    def run(self, command: str | list[str], check: bool = True, **options: object) -> Result:
        """Run a command on the server."""
        return self.machine.run(command, check=check, **options)  # type: ignore[arg-type]

    def posthouse(self, *args: str, input: str | None = None, check: bool = True) -> Result:
        """Run the installed `posthouse`, from its place on the PATH."""
        return self.machine.run(["posthouse", *args], input=input, check=check)

    # -- clients from outside -----------------------------------------------------------------------

    @contextmanager
    def smtp(
        self, port: int = 25, user: str | None = None, password: str = PASSWORD
    ) -> Iterator[smtplib.SMTP]:
        """An SMTP session from outside: plain on 25, STARTTLS on 587, TLS on 465; logged in when told."""
        with self.net.inside():
            if port == 465:
                client: smtplib.SMTP = smtplib.SMTP_SSL(
                    self.address, port, "client.example", timeout=60, context=trusting()
                )
            else:
                client = smtplib.SMTP(self.address, port, "client.example", 60)
        try:
            if port == 587:
                client.starttls(context=trusting())
            if user is not None:
                client.login(user, password)
            yield client
        finally:
            client.close()

    def send(
        self,
        message: EmailMessage,
        sender: str | None = None,
        to: list[str] | None = None,
        port: int = 25,
        user: str | None = None,
    ) -> str:
        """Send a message, logged in as `user` where one is given, and return its subject."""
        with self.smtp(port, user) as client:
            client.send_message(
                message,
                sender if sender is not None else message["From"].addresses[0].addr_spec,
                to or [message["To"]],
            )
            client.quit()
        return str(message["Subject"])

    def send_again(self, message: EmailMessage, **how: Any) -> str:
        """Send as an honest server does: again where it is told to try later."""

        def taken() -> str:
            try:
                return self.send(message, **how)
            except (smtplib.SMTPException, OSError) as error:
                if re.search(r"\(5\d\d,", str(error)):
                    raise
                return ""

        return until(taken, 60, "the server to take a message")

    @contextmanager
    def imap(
        self, user: str = USER, password: str = PASSWORD, folder: str | None = None
    ) -> Iterator[IMAPClient]:
        """An IMAP session over TLS."""
        with self.net.inside():
            client = IMAPClient(self.address, port=993, ssl_context=trusting(), timeout=60)
        try:
            client.login(user, password)
            if folder is not None:
                client.select_folder(folder)
            yield client
        finally:
            client.shutdown()

    def find(
        self, subject: str, user: str = USER, folder: str = "INBOX", password: str = PASSWORD
    ) -> EmailMessage:
        """Await the message of this subject in a folder, and return it."""

        def look() -> EmailMessage | None:
            with self.imap(user, password, folder) as client:
                found = client.search(["SUBJECT", subject])
                if not found:
                    return None
                raw = client.fetch(found[-1:], ["BODY.PEEK[]"])[found[-1]][b"BODY[]"]
                return BytesParser(policy=email.policy.default).parsebytes(raw)  # type: ignore[return-value]

        return until(look, 45, f"{subject!r} in {folder} of {user}")  # type: ignore[return-value]

    def count(self, subject: str, user: str = USER, folder: str = "INBOX", password: str = PASSWORD) -> int:
        """How many messages of this subject are in a folder."""
        with self.imap(user, password, folder) as client:
            return len(client.search(["SUBJECT", subject]))

    def arrives(
        self, message: EmailMessage, user: str = USER, folder: str = "INBOX", **how: object
    ) -> EmailMessage:
        """Send a message and await it."""
        return self.find(self.send(message, **how), user, folder)  # type: ignore[arg-type]

    def queue(self) -> list[str]:
        """The queue as postqueue's JSON lines."""
        return self.run(["postqueue", "-j"]).stdout.split("\n")[:-1]

    def sees(self, name: str, kind: str = "TXT") -> bool:
        """Whether the server's own resolver has records of this name (it keeps a "no" for some seconds)."""
        with netns.entered(self.machine.namespace):
            answer = dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", timeout=10)
        return bool(answer.answer)

    # -- daemons ------------------------------------------------------------------------------------

    def pids(self, name: str) -> list[int]:
        """The processes with this name, or with this word on their command line (a bare Debian has no ps)."""
        found = []
        for folder in (self.machine.root / "proc").glob("[0-9]*"):
            try:
                comm, line = (folder / "comm").read_text().strip(), (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if comm == name or name.encode() in line.split(b"\0"):
                found.append(int(folder.name))
        return sorted(found)

    def log(self) -> str:
        """The newest lines of the mail log."""
        if self.machine.spec.pid1 == "systemd":
            command = "journalctl --no-pager -n 60 -o short-iso"
        else:
            command = 'cd /var/log/posthouse && for f in *.log; do echo "== $f"; tail -n 12 $f; done'
        return self.run(command, check=False).stdout

    def children(self, pid: int) -> list[int]:
        """The children of a process."""
        text = (self.machine.root / f"proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    @contextmanager
    def stopped(self, name: str, unit: str) -> Iterator[None]:
        """A service is stopped within the block and started again after it."""
        self.service("stop", name, unit)
        try:
            yield
        finally:
            self.service("start", name, unit)

    def service(self, verb: str, name: str, unit: str) -> None:
        """Tell the service manager of this ground to start, stop or restart a service."""
        if self.machine.spec.pid1 == "systemd":
            self.run(["systemctl", verb, unit])
        else:
            control = "/opt/posthouse/venv/bin/supervisorctl"
            self.run([control, "-c", "/etc/posthouse/supervisord.conf", verb, name])


def awaited(predicate: Callable[[], object], what: str, timeout: float = 45) -> None:
    """Await a condition that a test needs."""
    until(predicate, timeout, what)
