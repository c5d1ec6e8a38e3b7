"""What SMTP offers on port 25 and 587, and that each of it is right (RFC 1870, 2920, 3030, 3461, 6152, 6531)."""

from __future__ import annotations

import smtplib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair

import pytest
from tests.machine.server import DOMAIN, STRANGER, USER, Server, awaited, letter

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]

OFFERED = {"pipelining", "size", "starttls", "enhancedstatuscodes", "8bitmime", "chunking", "smtputf8"}


@contextmanager
def dialogue(server: Server, family: str = "ipv4") -> Iterator[BufferedRWPair]:
    """Port 25 as a stream, greeted."""
    with server.net.inside():
        client = smtplib.SMTP(getattr(server.machine, family), 25, "client.example", 60)
    client.ehlo()
    assert client.sock is not None
    try:
        yield client.sock.makefile("rwb")  # type: ignore[misc]
    finally:
        client.close()


def answer(stream: BufferedRWPair) -> str:
    """The next answer, whole."""
    text = ""
    while True:
        line = stream.readline().decode()
        text += line
        if line[3:4] != "-":
            return text


def say(stream: BufferedRWPair, data: bytes) -> None:
    """Send at once."""
    stream.write(data)
    stream.flush()


def envelope(to: str = USER) -> bytes:
    """MAIL and RCPT, in one go."""
    return f"MAIL FROM:<{STRANGER}>\r\nRCPT TO:<{to}>\r\n".encode()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_what_is_offered_to_other_servers(server: Server, family: str) -> None:
    with server.net.inside():
        client = smtplib.SMTP(getattr(server.machine, family), 25, "client.example", 60)
    client.ehlo()
    assert set(client.esmtp_features) == OFFERED
    for command in (f"VRFY {USER}", "EXPN postmaster", f"ETRN {DOMAIN}"):
        code, said = client.docmd(command)
        assert code >= 500, said
        assert USER.encode() not in said
    client.close()


def test_users_may_ask_for_a_delivery_report(server: Server) -> None:
    sent = letter(USER, USER)
    with server.smtp(587, USER) as client:
        client.ehlo()
        assert set(client.esmtp_features) == (OFFERED - {"starttls"}) | {"dsn", "auth"}
        client.sendmail(USER, [USER], sent.as_bytes(), rcpt_options=["NOTIFY=SUCCESS"])
    server.find(str(sent["Subject"]))
    report = server.find("Successful Mail Delivery Report")
    assert str(sent["Subject"]) in report.as_string()


def test_nobody_elsewhere_gets_a_report_of_success(server: Server) -> None:
    with dialogue(server) as stream:
        say(stream, f"MAIL FROM:<{STRANGER}>\r\n".encode())
        assert answer(stream).startswith("250")
        say(stream, f"RCPT TO:<{USER}> NOTIFY=SUCCESS\r\n".encode())
        assert answer(stream).startswith("5")


def test_eight_bits_arrive_as_they_are(server: Server) -> None:
    body = "Schöne Grüße aus Köln, und über alles Übrige später mehr."
    sent = letter(text="?\n")
    sent.set_content(body + "\n", charset="utf-8", cte="8bit")
    with server.smtp() as client:
        client.sendmail(STRANGER, [USER], sent.as_bytes(), mail_options=["BODY=8BITMIME"])
    found = server.find(str(sent["Subject"]))
    assert found.get_content().strip() == body
    assert found["Content-Transfer-Encoding"] == "8bit"


def test_commands_may_come_in_one_go(server: Server) -> None:
    sent = letter()
    with dialogue(server) as stream:
        say(stream, envelope() + b"DATA\r\n")
        assert [answer(stream)[:3] for _ in range(3)] == ["250", "250", "354"]
        say(stream, sent.as_bytes() + b".\r\nQUIT\r\n")
        assert [answer(stream)[:3] for _ in range(2)] == ["250", "221"]
    server.find(str(sent["Subject"]))


def test_who_talks_out_of_turn_is_cut_off(server: Server) -> None:
    """What comes with DATA, before its 354, is no pipelining; nor is a greeting before ours."""
    subject = uuid.uuid4().hex
    with dialogue(server) as stream:
        say(stream, envelope() + f"DATA\r\nSubject: {subject}\r\n\r\nx\r\n.\r\n".encode())
        answers = [answer(stream)[:3] for _ in range(3)]
    assert answers[2] in ("503", "554"), answers
    server.find(server.send(letter()))
    assert server.count(subject) == server.count(subject, folder="Junk") == 0


@pytest.mark.parametrize("pipelined", [True, False], ids=["in-one-go", "step-by-step"])
def test_chunks_are_put_together(server: Server, pipelined: bool) -> None:
    """RFC 3030: a length ends a chunk, so no line in it can end the message."""
    sent = letter(text="first\n")
    inside = b"\r\n.\r\nMAIL FROM:<x@elsewhere.example>\r\n\n.\n\r\n.\n\n.\r\nafter the dots\r\n"
    first, second = sent.as_bytes(), inside
    steps = [
        envelope(),
        b"BDAT %d\r\n" % len(first) + first,
        b"BDAT %d LAST\r\n" % len(second) + second,
    ]
    with dialogue(server) as stream:
        if pipelined:
            say(stream, b"".join(steps) + b"NOOP\r\n")
            answers = [answer(stream) for _ in range(5)]
        else:
            answers = []
            for step, number in zip([*steps, b"NOOP\r\n"], (2, 1, 1, 1), strict=True):
                say(stream, step)
                answers += [answer(stream) for _ in range(number)]
    assert [text[:3] for text in answers] == ["250"] * 5, answers
    found = server.find(str(sent["Subject"])).get_content()
    assert "MAIL FROM:<x@elsewhere.example>" in found
    assert found.splitlines()[-1] == "after the dots"
    assert server.count(str(sent["Subject"])) == 1


def test_chunks_that_do_not_count_right_are_no_message(server: Server) -> None:
    sent = letter()
    content = sent.as_bytes()
    with dialogue(server) as stream:
        say(stream, envelope() + b"BDAT 52428801 LAST\r\n")
        assert [answer(stream)[:3] for _ in range(2)] == ["250", "250"]
    with dialogue(server) as stream:  # fewer bytes than were announced, and gone
        say(stream, envelope() + b"BDAT %d LAST\r\n" % (len(content) + 1) + content)
        assert [answer(stream)[:3] for _ in range(2)] == ["250", "250"]
    with dialogue(server) as stream:
        say(stream, envelope() + b"BDAT %d\r\n" % len(content) + content + b"RSET\r\n")
        assert [answer(stream)[:3] for _ in range(4)] == ["250"] * 4
    with dialogue(server) as stream:  # to nobody
        say(stream, envelope(f"nobody-here@{DOMAIN}") + b"BDAT %d LAST\r\n" % len(content) + content)
        assert [answer(stream)[:1] for _ in range(3)] == ["2", "5", "5"]
    server.find(server.send(letter()))
    assert server.count(str(sent["Subject"])) == 0


def test_utf8_in_a_header_arrives_without_smtputf8(server: Server) -> None:
    mark = uuid.uuid4().hex
    content = letter(subject=mark).as_bytes().replace(mark.encode(), f"Grüße {mark}".encode())
    with server.smtp() as client:
        client.sendmail(STRANGER, [USER], content, mail_options=["BODY=8BITMIME"])
    folders: list[str] = []
    awaited(
        lambda: folders.extend(f for f in ("INBOX", "Junk") if server.count(mark, folder=f)) or folders,
        "the message",
    )
    assert "Grüße" in str(server.find(mark, folder=folders[0])["Subject"])
