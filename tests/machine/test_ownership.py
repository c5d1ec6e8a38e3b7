"""Nobody sends as somebody else: submitted mail and mail of the machine's own users."""

from __future__ import annotations

import smtplib

import pytest
from tests.machine.server import DOMAIN, PASSWORD, STRANGER, USER, Server, awaited, letter, unique

pytestmark = pytest.mark.machine
USER2 = f"user2@{DOMAIN}"
KIM = f"kim@{DOMAIN}"


@pytest.fixture
def people(server: Server) -> Server:
    """user@ owns kim@ as an alias; user2@ is somebody else."""
    server.posthouse("user", "add", USER2, "--password-stdin", input=PASSWORD + "\n", check=False)
    server.posthouse("alias", "add", KIM, USER, check=False)
    return server


def refused(server: Server, login: str, envelope: str, **headers: str) -> bool:
    """Whether a message with these headers is refused for good when `login` submits it."""
    message = letter(headers.pop("sender", login), USER)
    for name, value in headers.items():
        del message[name]
        message[name] = value
    with server.smtp(587, login) as client:
        try:
            client.sendmail(envelope, [USER], message.as_bytes())
        except smtplib.SMTPSenderRefused as error:
            return error.smtp_code >= 500
        except smtplib.SMTPRecipientsRefused as error:
            return all(code >= 500 for code, _ in error.recipients.values())
        except smtplib.SMTPDataError as error:
            return error.smtp_code >= 500
    return False


def test_own_addresses_pass(people: Server) -> None:
    tagged = f"user+shop@{DOMAIN}"
    assert not refused(people, USER, USER)
    assert not refused(people, USER, KIM, sender=KIM)
    assert not refused(people, USER, tagged, sender=tagged)
    assert not refused(people, USER, "")


def test_others_addresses_are_refused(people: Server) -> None:
    assert refused(people, USER2, KIM, sender=KIM)
    assert refused(people, USER2, USER)
    assert refused(people, USER2, USER2, sender=USER)
    assert refused(people, USER2, "", sender=USER)
    assert refused(people, USER2, USER2, sender=STRANGER)
    for name in ("Sender", "Resent-From"):
        assert refused(people, USER2, USER2, **{name: USER})


def test_a_grant_counts_at_once_and_ends_at_once(people: Server) -> None:
    people.posthouse("user", "change", USER2, "--may-send-as", KIM)
    assert not refused(people, USER2, KIM, sender=KIM)
    people.posthouse("user", "change", USER2, "--may-not-send-as", KIM)
    assert refused(people, USER2, KIM, sender=KIM)


def test_unix_users_send_only_as_themselves(people: Server) -> None:
    people.run("id shelly >/dev/null 2>&1 || useradd -m shelly")
    text = "printf 'From: {0}\\nSubject: {1}\\n\\nhi\\n' | sendmail -f {0} " + USER
    people.machine.run(["sh", "-c", text.format(f"shelly@{DOMAIN}", "shelly-herself")], user="shelly")
    assert people.find("shelly-herself")["From"].addresses[0].addr_spec == f"shelly@{DOMAIN}"
    for forged in (USER, KIM, f"root@{DOMAIN}"):
        people.machine.run(["sh", "-c", text.format(forged, "shelly-forging")], user="shelly", check=False)
    people.run(["sh", "-c", text.format(KIM, "root-as-kim")])
    people.find("root-as-kim")
    assert people.count("shelly-forging") == 0


def test_a_refused_bounce_of_a_unix_user_reaches_the_postmaster(server: Server) -> None:
    nowhere = f"nobody-{unique()}@{DOMAIN}"
    server.machine.run(["sendmail", nowhere], input="Subject: to nobody\n\nhi\n", user="www-data")

    def bounced() -> bool:
        with server.imap(folder="INBOX") as client:
            return bool(client.search(["FROM", "MAILER-DAEMON", "BODY", nowhere]))

    awaited(bounced, "the bounce to www-data in the postmaster's mailbox")


def test_unix_users_have_no_way_to_mailboxes_past_postfix(server: Server) -> None:
    """Dovecot's own LMTP socket would take anything from anybody on the machine."""
    knock = "import socket; socket.socket(socket.AF_UNIX).connect('/run/dovecot/lmtp')"
    assert server.machine.run(["python3", "-c", knock], user="www-data", check=False).returncode != 0
    assert not server.run(["find", "/run/dovecot", "-name", "*lmtp*"]).stdout
