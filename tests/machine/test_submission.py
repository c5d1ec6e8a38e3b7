"""Submitted mail: what is taken out of it, what is put in, and what else a login may send."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, letter, unique

from posthouse.mailflow import signature

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]
USER2 = f"user2@{DOMAIN}"
FOREIGN = (
    "Received: from laptop.home.example ([192.168.7.7]) by old.home.example; Mon, 1 Jan 2024 00:00:00 +0000"
)


@contextmanager
def session(server: Server, port: int = 587, user: str = USER) -> Iterator[smtplib.SMTP]:
    with server.smtp(port, user) as client:
        client.user, client.password = user, PASSWORD
        yield client


def submit(
    server: Server, raw: str, sender: str = USER, to: str = USER, user: str = USER, port: int = 587
) -> None:
    with session(server, port, user) as client:
        client.sendmail(sender, [to], raw.replace("\n", "\r\n").encode())


@pytest.mark.parametrize("port", [587, 465])
def test_nothing_tells_where_or_by_what_it_was_written(server: Server, port: int) -> None:
    subject = unique()
    headers = [
        "User-Agent: SecretProgram/7.7",
        "X-Mailer: SecretProgram 7.7",
        "X-Originating-IP: [192.168.7.7]",
        f"Authentication-Results: {HOST}; dmarc=pass header.from=bank.example",
        FOREIGN,
        f"From: {USER}",
        f"To: {USER}",
        f"Subject: {subject}",
        "Date: Mon, 23 Nov 2026 05:00:00 +0000",
        f"Message-ID: <{subject}@{DOMAIN}>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "Reply-To: kim@elsewhere.example",
        "In-Reply-To: <one@elsewhere.example>",
        "References: <one@elsewhere.example>",
    ]
    submit(server, "\n".join([*headers, "", "User-Agent: in the text", ""]), port=port)
    message = server.find(subject)
    text = str(message)
    head = text.partition("\n\n")[0]
    for secret in (
        "SecretProgram",
        "192.168.7.7",
        "laptop",
        "old.home.example",
        "client.example",
        "bank.example",
        "[198.18.",
    ):
        assert secret not in head, head
    assert "User-Agent: in the text" in text
    for name in (
        "Reply-To",
        "In-Reply-To",
        "References",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
    ):
        assert message[name], name
    trace = [value for value in message.get_all("Received", []) if "SMTP" in value and "Postfix" in value]
    assert any(
        re.match(rf"by {re.escape(HOST)} \(Postfix\) with E?SMTPSA id \w+; ", value) for value in trace
    ), trace


def test_the_signature_is_made_after_that(server: Server) -> None:
    subject = unique()
    submit(
        server,
        f"X-Mailer: x\nFrom: {USER}\nTo: {USER}\nSubject: {subject}\nDate: Mon, 23 Nov 2026 05:00:00 +0000\n\nx\n",
    )
    with server.imap(folder="INBOX") as client:
        server.find(subject)
        number = client.search(["SUBJECT", subject])[-1]
        raw = client.fetch([number], ["BODY.PEEK[]"])[number][b"BODY[]"]
    records = {}
    for line in server.posthouse("dns", "zone", DOMAIN).stdout.splitlines():
        if found := re.match(r"(\S+_domainkey\S+)\. \d+ IN TXT (.*)", line):
            records[found[1]] = "".join(re.findall(r'"([^"]*)"', found[2]))
    assert signature.verified(raw, DOMAIN, records)


def test_date_and_message_id_are_put_in_where_they_lack(server: Server) -> None:
    subject = unique()
    submit(server, f"From: {USER}\nTo: {USER}\nSubject: {subject}\n\nx\n")
    message = server.find(subject)
    assert message["Date"] is not None
    assert str(message["Message-ID"]).strip().endswith(f"@{HOST}>")


RECEIPT = """From: {user}
To: ann@elsewhere.example
Subject: Read: {subject}
Date: Mon, 23 Nov 2026 05:00:00 +0000
Message-ID: <{subject}@snorl.ax>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="b"

--b
Content-Type: text/plain

It was displayed.
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822;{user}
Original-Message-ID: <one@elsewhere.example>
Disposition: manual-action/MDN-sent-manually; displayed

--b--
"""


def test_a_read_receipt_has_no_sender_and_is_still_its_author_s(server: Server) -> None:
    """RFC 8098 section 3: its envelope sender is null."""
    server.posthouse("user", "add", USER2, "--password-stdin", input=PASSWORD + "\n", check=False)
    subject = unique()
    submit(server, RECEIPT.format(user=USER, subject=subject), sender="", to=USER2)
    message = server.find(subject, USER2)
    assert (message["Return-Path"], message.get_content_type()) == ("<>", "multipart/report")
    assert message["DKIM-Signature"]
    with pytest.raises(smtplib.SMTPException):
        submit(server, RECEIPT.format(user=USER, subject=unique()), sender="", to=USER2, user=USER2)


def test_aliases_catch_alls_and_tags_may_be_sent_from_at_once(server: Server) -> None:
    domain = f"{unique()}.example"
    with session(server) as client:  # the same session: nothing remembers what was

        def taken(address: str) -> bool:
            try:
                client.sendmail(address, [USER], f"From: {address}\r\nSubject: {unique()}\r\n\r\nx\r\n")
            except smtplib.SMTPResponseException as error:
                if error.smtp_code < 500:
                    raise
                client.rset()
                return False
            return True

        server.posthouse("domain", "add", domain)
        assert not taken(f"anything@{domain}")
        server.posthouse("alias", "add", f"shop@{domain}", USER)
        assert taken(f"shop@{domain}")
        assert taken(f"shop+spring@{domain}")
        assert not taken(f"anything@{domain}")
        server.posthouse("alias", "add", f"@{domain}", USER)
        assert not taken(f"anything@{domain}"), "that it gets all mail makes no author of it"
        server.posthouse("user", "change", USER, "--may-send-as", f"@{domain}")
        assert taken(f"anything@{domain}")
        server.posthouse("user", "change", USER, "--may-not-send-as", f"@{domain}")
        assert not taken(f"anything@{domain}")
        server.posthouse("alias", "remove", f"shop@{domain}", "--yes")
        assert not taken(f"shop@{domain}")


def test_a_signed_letter_of_a_program_keeps_its_own_headers(server: Server) -> None:
    """What no rule names stays, in its order."""
    message = letter(
        USER, USER, X_Priority="1", List_Unsubscribe="<mailto:x@snorl.ax>", Disposition_Notification_To=USER
    )
    came = server.find(server.send(message, port=587, user=USER))
    for name in ("X-Priority", "List-Unsubscribe", "Disposition-Notification-To"):
        assert came[name], name
