"""Mail for a full mailbox is refused while its sender waits, or kept; what was accepted is never bounced for it."""

from __future__ import annotations

import smtplib

import pytest
from tests.machine.server import DOMAIN, PASSWORD, STRANGER, Server, awaited, letter

pytestmark = pytest.mark.machine
SMALL = f"small@{DOMAIN}"
ALIAS = f"small-too@{DOMAIN}"


def test_mail_for_a_full_mailbox_is_refused_or_waits(server: Server) -> None:
    server.posthouse("user", "add", SMALL, "--password-stdin", input=PASSWORD + "\n", check=False)
    server.posthouse("alias", "add", ALIAS, SMALL, check=False)
    server.posthouse("user", "change", SMALL, "--quota", "0")
    server.find(server.send(letter(to=SMALL, text="x" * 900 + "\n")), SMALL)
    server.posthouse("user", "change", SMALL, "--quota", "500")
    for to in (SMALL, f"small+tag@{DOMAIN}"):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            server.send(letter(to=to))
        assert refusal.value.recipients[to][0] == 552
    # An alias hides the mailbox until the mail is there: it waits, and arrives when there is room.
    subject = server.send(letter(STRANGER, to=ALIAS))
    awaited(lambda: any("452 4.2.2" in line for line in server.queue()), "the deferral")
    assert server.count(subject, SMALL) == 0
    server.posthouse("user", "change", SMALL, "--quota", "10M")
    server.run(["postqueue", "-f"])
    server.find(subject, SMALL)
