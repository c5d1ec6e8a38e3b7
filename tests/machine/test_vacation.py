"""ManageSieve with vacation (RFC 5804, 5230, 3834): a script is uploaded, and answers a stranger once, as it should."""

from __future__ import annotations

import base64
import email
import email.policy
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from ssl import SSLSocket

import pytest
from tests.machine.server import DOMAIN, PASSWORD, Server, awaited, trusting, unique

from posthouse.lab.internet import Internet, Provider, Sender
from posthouse.lab.internet.provider import Received

pytestmark = [pytest.mark.machine, pytest.mark.grounds("13-supervisor-clean", "12-systemd-clean")]
SCRIPT = """require ["vacation"];
vacation :days 7 :subject "Out of office" :handle "{handle}" "Back on Monday.";
"""


class ManageSieve:
    """A session, by hand."""

    def __init__(self, sock: socket.socket | SSLSocket) -> None:
        self.sock = sock
        self.answers = sock.makefile("rb")

    def say(self, text: str) -> str:
        """Say something, and await OK, NO or BYE; return all that was answered."""
        if text:
            self.sock.sendall(text.encode())
        said = ""
        while not re.match(r"(OK|NO|BYE)\b", line := self.answers.readline().decode()):
            assert line, said
            said += line
        if literal := re.search(r"\{(\d+)\+?\}\r\n$", line):
            line += self.answers.read(int(literal[1])).decode() + self.answers.readline().decode()
        return said + line


@contextmanager
def managesieve(server: Server, user: str) -> Iterator[ManageSieve]:
    """Log in inside TLS."""
    with server.net.inside():
        plain = socket.create_connection((server.address, 4190), timeout=60)
    with plain:
        before = ManageSieve(plain)
        assert "PLAIN" not in before.say("")  # no login outside TLS
        assert before.say("STARTTLS\r\n").startswith("OK")
        with trusting().wrap_socket(plain) as sock:
            session = ManageSieve(sock)
            assert re.search(r'"SIEVE" ".*\bvacation\b', session.say(""))
            word = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
            assert session.say(f'AUTHENTICATE "PLAIN" "{word}"\r\n').startswith("OK")
            yield session


def literal(text: str) -> str:
    return f"{{{len(text)}+}}\r\n{text}\r\n"


@pytest.fixture
def elsewhere(server: Server) -> Iterator[tuple[Sender, Provider]]:
    """Somebody else's domain, that sends and receives from one host."""
    with Internet(server.net) as internet:
        sender = internet.sender(f"friends-{unique()}.example", policy=None)
        provider = Provider.of(sender.host, sender.domain, internet.authority)
        awaited(lambda: server.sees(sender.domain, "MX"), "the server to see the other domain")
        yield sender, provider


def parsed(received: Received) -> EmailMessage:
    return email.message_from_bytes(received.content, policy=email.policy.default)


def test_a_vacation_is_answered_once(server: Server, elsewhere: tuple[Sender, Provider]) -> None:
    sender, provider = elsewhere
    user = f"away-{unique()}@{DOMAIN}"
    server.posthouse("user", "add", user, "--password-stdin", input=PASSWORD + "\n")
    with managesieve(server, user) as session:
        wrong = session.say(f'PUTSCRIPT "away" {literal("no sieve at all")}')
        assert wrong.startswith("NO")
        script = SCRIPT.format(handle=uuid.uuid4().hex)
        assert session.say(f'PUTSCRIPT "away" {literal(script)}').startswith("OK")
        assert session.say('SETACTIVE "away"\r\n').startswith("OK")
        assert '"away" ACTIVE' in session.say("LISTSCRIPTS\r\n")

    def write(**headers: str) -> str:
        """A letter to whom is away; await its arrival."""
        letter = sender.letter(user)
        for name, value in headers.items():
            letter[name.replace("_", "-")] = value
        code, said = sender.send(server.address, user, letter, sign=False)
        assert code == 250, said
        subject = str(letter["Subject"])
        awaited(
            lambda: server.count(subject, user) + server.count(subject, user, "Junk"), "the letter to arrive"
        )
        return str(letter["Message-ID"])

    for_a_list = write(List_Id="<people.example>", Precedence="list")
    by_a_machine = write(Auto_Submitted="auto-generated")
    first = write()
    second = write()
    answer = provider.received("Out of office")
    assert answer.envelope.sender.strip("<>") == ""
    assert answer.envelope.recipients == (f"ann@{sender.domain}",)
    message = parsed(answer)
    assert message["From"].addresses[0].addr_spec == user
    assert message["To"].addresses[0].addr_spec == f"ann@{sender.domain}"
    assert str(message["Auto-Submitted"]).startswith("auto-replied")
    assert message["In-Reply-To"] == first
    assert "Back on Monday." in message.get_content()
    assert f"d={DOMAIN}" in str(message["DKIM-Signature"])
    # Whatever else were sent would be in the queue, or there.
    awaited(lambda: not server.queue(), "an empty queue")
    answered = [parsed(one)["In-Reply-To"] for one in provider.messages]
    assert answered == [first]
    assert not {for_a_list, by_a_machine, second} & set(answered)
