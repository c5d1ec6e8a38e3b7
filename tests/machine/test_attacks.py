"""Attacks from outside that no other file tries; docs/attacks.md lists all of them."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.machine.server import (
    DOMAIN,
    HOST,
    PASSWORD,
    STRANGER,
    USER,
    Server,
    awaited,
    letter,
    trusting,
    unique,
)

from posthouse.lab.internet import Internet

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]


@contextmanager
def line_by_line(server: Server, port: int) -> Iterator[Line]:
    """A connection from outside, greeted."""
    with server.net.inside():
        sock = socket.create_connection((server.address, port), timeout=60)
    with sock:
        line = Line(sock)
        line.greeting = line.read(GREETED[port])
        yield line


class Line:
    """A connection that is spoken to in bytes."""

    greeting = b""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""

    def read(self, end: bytes) -> bytes:
        """Read up to a line that matches a pattern, and return all of it; b"" where the server hung up."""
        while (found := re.search(rb"(?m)^" + end + rb"[^\r\n]*\r\n", self.rest)) is None:
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return b""
            self.rest += data
        answer, self.rest = self.rest[: found.end()], self.rest[found.end() :]
        return answer

    def ask(self, text: bytes, end: bytes = rb"\d{3} ") -> bytes:
        """Say something and return the answer; b"" where the server hung up."""
        try:
            self.sock.sendall(text)
        except ConnectionError:
            return b""
        return self.read(end)


REPLY = rb"\d{3} "
GREETED = {25: REPLY, 587: REPLY, 143: rb"\* OK", 110: rb"\+OK", 4190: rb"OK"}
# how STARTTLS is said, how its answer begins, and a command with how its answer begins
STARTTLS = {
    25: (b"STARTTLS\r\n", REPLY, b"NOOP\r\n", b"EHLO x.example\r\n", rb"250 "),
    587: (b"STARTTLS\r\n", REPLY, b"NOOP\r\n", b"EHLO x.example\r\n", rb"250 "),
    143: (b"a STARTTLS\r\n", rb"a ", b"evil NOOP\r\n", b"good NOOP\r\n", rb"good "),
    110: (b"STLS\r\n", rb"[+-]", b"NOOP\r\n", b"CAPA\r\n", rb"\."),
    4190: (b"STARTTLS\r\n", rb"(OK|NO|BYE)", b'NOOP "evil"\r\n', b'NOOP "good"\r\n', rb"OK"),
}


@pytest.mark.parametrize("port", STARTTLS)
def test_what_is_said_behind_starttls_in_the_open_is_not_obeyed_inside(server: Server, port: int) -> None:
    """CVE-2011-0411: a command in the same packet, which somebody on the way put there."""
    starttls, answered, evil, good, end = STARTTLS[port]
    with line_by_line(server, port) as line:
        if port in (25, 587):
            line.ask(b"EHLO x.example\r\n")
        answer = line.ask(starttls + evil, answered)
        if not answer.startswith((b"220", b"a OK", b"+OK", b"OK")):
            return  # refused or hung up: nothing was obeyed
        try:
            tls = trusting().wrap_socket(line.sock, server_hostname=HOST)
        except (ssl.SSLError, ConnectionError):
            return
        inside = Line(tls)
        if port == 4190:
            inside.read(rb"OK")  # it tells its capabilities again
        answer = inside.ask(good, end)
        assert b"evil" not in answer
        if port in (25, 587):
            assert answer.startswith(b"250-"), answer  # EHLO's, not NOOP's
        elif port == 110:
            assert answer.count(b"+OK") == 1, answer
        tls.close()


@pytest.mark.parametrize(
    "command",
    [
        b'RCPT TO:<"user\rRCPT TO:<root>"@snorl.ax>\r\n',
        b"RCPT TO:<user@snorl.ax\rX>\r\n",
        b"RCPT TO:<user\0@snorl.ax>\r\n",
        b"RCPT TO:<user@snorl.ax> ORCPT=rfc822;x\rY\r\n",
        b"RCPT TO:<@a.example,@b.example:user@faraway.example>\r\n",
        b'RCPT TO:<"user@faraway.example">\r\n',
        b'RCPT TO:<"user%faraway.example"@snorl.ax>\r\n',
        b"RCPT TO:<faraway.example!a%b@snorl.ax>\r\n",
        "RCPT TO:<üser@faraway.example>\r\n".encode(),
        "RCPT TO:<user@fürway.example>\r\n".encode(),
        b"RCPT TO:<user@[127.0.0.1]>\r\n",
        b"RCPT TO:<user@faraway.example.>\r\n",
        b"RCPT TO:<user@snorl.ax@faraway.example>\r\n",
        b"RCPT TO:<user@faraway.example\t>\r\n",
    ],
)
def test_strange_recipients_are_refused(server: Server, command: bytes) -> None:
    with line_by_line(server, 25) as line:
        line.ask(b"EHLO x.example\r\n")
        assert line.ask(f"MAIL FROM:<{STRANGER}>\r\n".encode())[:3] == b"250"
        answer = line.ask(command)
        assert answer[:1] in (b"4", b"5"), answer
        assert len(answer.splitlines()) == 1, answer


def test_an_answer_repeats_nothing_that_would_be_a_line_of_its_own(server: Server) -> None:
    with line_by_line(server, 25) as line:
        for command in (
            b"EHLO x\r250 evil\r\n",
            b"HELO x\0y\r\n",
            b"MAIL FROM:<a\r250 evil@x.example>\r\n",
            b"X\r250 evil\r\n",
        ):
            for one in line.ask(command).splitlines():
                assert re.match(rb"\d{3}[ -]", one), one
                assert not one.startswith(b"250 evil"), one


@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r"])
def test_nobody_smuggles_through_us_to_others(server: Server, internet: Internet, end: bytes) -> None:
    """A user's message must leave as one, whichever end of line its reader believes in."""
    provider = internet.provider(f"bigmail-{unique()}.example")
    awaited(lambda: server.sees(provider.domain, "MX"), "the server to see the provider")
    to = f"kim@{provider.domain}"
    hidden = f"MAIL FROM:<ceo@{DOMAIN}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: ceo@{DOMAIN}\r\n\r\nevil"
    subject = unique()
    body = b"one" + end + hidden.encode()
    with server.smtp(587, USER) as client:
        client.mail(USER)
        client.rcpt(to)
        assert client.docmd("DATA")[0] == 354
        client.send(f"From: {USER}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n".encode() + body + b"\r\n.\r\n")
        code, _ = client.getreply()
    if code >= 400:
        return
    content = provider.received(subject).content
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content), "a bare CR or LF left"
    assert b"\r\n.\r\n" not in content
    assert len(provider.messages) == 1


SCRIPT = 'require ["vacation"];\nvacation :handle "HANDLE" "away";\n'


def test_a_subject_splits_no_header_of_an_answer(server: Server) -> None:
    """Its encoded word holds an end of line and a header, which the vacation's subject repeats."""
    account, mark = f"{unique()}@{DOMAIN}", unique()
    server.posthouse("user", "add", account, "--password-stdin", input=PASSWORD + "\n")
    home = f"/var/mail/sieve/{DOMAIN}/mails/{account.partition('@')[0]}"
    server.run(
        f"mkdir -p {home}/sieve && cat > {home}/sieve/t.sieve && ln -sf sieve/t.sieve {home}/active.sieve"
        f" && chown -R vmail:vmail /var/mail/sieve/{DOMAIN}",
        input=SCRIPT.replace("HANDLE", mark),
    )
    subject = f"=?utf-8?Q?{mark}=0D=0ABcc:_victim@faraway.example=0D=0A=0D=0Atext?="
    raw = f"From: {USER}\r\nTo: {account}\r\nSubject: {subject}\r\n\r\nx\r\n"
    with server.smtp(587, USER) as client:
        client.sendmail(USER, [account], raw.encode())
    answer = server.find(mark)
    assert answer["Bcc"] is None
    assert str(answer["Auto-Submitted"]).startswith("auto-replied")
    assert "away" in answer.get_content()
    assert not [line for line in server.queue() if "faraway" in line]


LONG = b"a" * 2_000_000
OVERSIZE = {
    25: [
        b"EHLO " + LONG[:70_000] + b"\r\n",
        b"MAIL FROM:<" + LONG[:70_000] + b"@x.example>\r\n",
        LONG + b"\r\n",
    ],
    587: [b"EHLO " + LONG[:70_000] + b"\r\n", b"AUTH PLAIN " + LONG + b"\r\n"],
    143: [
        b"a LOGIN " + LONG + b" x\r\n",
        b"a LOGIN {2000000000}\r\n",
        b"a AUTHENTICATE PLAIN " + LONG + b"\r\n",
    ],
    110: [b"USER " + LONG + b"\r\n"],
    4190: [
        b'AUTHENTICATE "PLAIN" "' + LONG + b'"\r\n',
        b'AUTHENTICATE "PLAIN" {2000000000+}\r\n' + LONG + b"\r\n",
    ],
}
ANSWERED = {25: REPLY, 587: REPLY, 143: rb"(a|\*) ", 110: rb"-ERR", 4190: rb"(NO|BYE)"}


@pytest.mark.parametrize("port", OVERSIZE)
def test_what_is_too_long_is_refused_and_delays_nobody(server: Server, port: int) -> None:
    for text in OVERSIZE[port]:
        with line_by_line(server, port) as line:
            answer = line.ask(text, ANSWERED[port])
            if not text.startswith(b"EHLO"):  # Debian 12's Postfix cuts that name, and goes on
                assert not re.match(rb"250|235|a OK|\+OK|OK", answer), answer[:200]
    with line_by_line(server, port) as line:
        assert line.greeting


def test_a_message_with_too_much_of_everything(server: Server) -> None:
    """Headers, one long header, recipients: refused or cut, and the next message arrives."""
    many = "".join(f"X-H{n}: {n}\r\n" for n in range(20_000))
    for head in (
        many,
        "X-Long: " + "a" * 900_000 + "\r\n",
        "To: " + ", ".join(f"a{n}@b.example" for n in range(40_000)) + "\r\n",
    ):
        with server.smtp() as client:
            client.ehlo()
            client.mail(STRANGER)
            client.rcpt(USER)
            try:
                code, _ = client.data(f"From: {STRANGER}\r\n{head}Subject: {unique()}\r\n\r\nx\r\n".encode())
            except (smtplib.SMTPException, OSError):
                continue
            assert code in (250, 451, 552, 554), code
    with server.smtp() as client:
        client.ehlo()
        client.mail(STRANGER)
        codes = [client.rcpt(USER)[0] for _ in range(1_010)]
    assert set(codes[-5:]) == {452}, (
        "RFC 5321 section 4.5.3.1.8: a hundred must be taken, and there is an end"
    )
    server.arrives(letter())
