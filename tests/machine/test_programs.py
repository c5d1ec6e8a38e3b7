"""The mail programs that Debian has, from a machine of their own of the same Debian, with an app password and TLS that
they verify."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.machine import desk as settings
from tests.machine.desk import HOME, Desk
from tests.machine.server import HOST, USER, Server, letter, unique
from tests.machine.test_logins import app_password

from posthouse.lab import Network

pytestmark = [pytest.mark.machine, pytest.mark.full]


@pytest.fixture(scope="module")
def desk(server: Server, net: Network) -> Iterator[Desk]:
    made = Desk(net, server, app_password(server, USER, f"desk-{unique()}"))
    yield made
    made.destroy()


@pytest.fixture
def there(server: Server) -> str:
    """The subject of a message that is in the mailbox."""
    subject = f"there-{unique()}"
    server.arrives(letter(subject=subject))
    return subject


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
@pytest.mark.parametrize(("scheme", "port"), [("smtp", "587"), ("smtps", "465")])
def test_mutt_submits_and_keeps_a_copy(
    server: Server, desk: Desk, program: str, scheme: str, port: str
) -> None:
    rc = desk.write("muttrc", settings.MUTT, SCHEME=scheme, PORT=port)
    subject = f"{program}-{unique()}"
    desk.run(f"{program} -F {rc} -s {subject} {USER}", input="Hello.\n")
    assert server.find(subject)["DKIM-Signature"]
    if program == "mutt":  # neomutt has no copy in a folder of IMAP where nobody sits before it
        server.find(subject, folder="Sent")


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt_reads_and_throws_away(server: Server, desk: Desk, program: str, there: str) -> None:
    rc = desk.write("muttrc", settings.MUTT, SCHEME="smtp", PORT="587")
    keys = f"<limit>~s {there}<enter><pipe-message>cat >{HOME}/read<enter><delete-message><quit>"
    desk.run(f"""{program} -F {rc} -e 'push "{keys}"'""", terminal=True)
    assert f"Subject: {there}" in desk.read("read")
    server.find(there, folder="Trash")
    assert server.count(there) == 0


def test_mbsync_takes_everything(desk: Desk, there: str) -> None:
    word = "SSLType" if desk.suite == "bookworm" else "TLSType"
    rc = desk.write("mbsyncrc", settings.MBSYNC, TLS=word)
    desk.run(f"mbsync -c {rc} -a")
    assert there in desk.run(f"grep -rl {there} mbsync && grep -rh {there} mbsync").stdout
    assert "Junk" in desk.run("ls mbsync").stdout


@pytest.mark.parametrize(("protocol", "port"), [("IMAP", "993"), ("POP3", "995")])
def test_fetchmail_takes_what_is_there(desk: Desk, there: str, protocol: str, port: str) -> None:
    rc = desk.write("fetchmailrc", settings.FETCHMAIL, PROTOCOL=protocol, PORT=port)
    desk.run(f"fetchmail -f {rc}")
    assert f"Subject: {there}" in desk.read(f"fetched-{protocol}")


@pytest.mark.parametrize("kind", ["IMAP", "POP3"])
def test_getmail_takes_what_is_there(desk: Desk, there: str, kind: str) -> None:
    rc = desk.write("getmailrc", settings.GETMAIL, KIND=kind)
    desk.run(f"touch got-{kind}; getmail --getmaildir {HOME} --rcfile {rc}")
    assert f"Subject: {there}" in desk.read(f"got-{kind}")


@pytest.mark.parametrize(("port", "starttls"), [("587", "on"), ("465", "off")])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_msmtp_submits(server: Server, desk: Desk, port: str, starttls: str, mechanism: str) -> None:
    rc = desk.write("msmtprc", settings.MSMTP, PORT=port, STARTTLS=starttls, MECHANISM=mechanism)
    message = letter(USER, USER)
    desk.run(f"msmtp -C {rc} {USER}", input=message.as_bytes().decode())
    server.find(str(message["Subject"]))


@pytest.mark.parametrize(("scheme", "port"), [("submission", "587"), ("submissions", "465")])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_s_nail_submits(server: Server, desk: Desk, scheme: str, port: str, mechanism: str) -> None:
    rc = desk.write("mailrc", settings.S_NAIL, SCHEME=scheme, PORT=port, MECHANISM=mechanism)
    subject = f"snail-{unique()}"
    desk.run(f"MAILRC={rc} s-nail -:u -s {subject} {USER}", input="Hello.\n")
    server.find(subject)


def test_curl_reads_and_submits(server: Server, desk: Desk, there: str) -> None:
    netrc = desk.write("netrc", "machine $HOST login $USER password $PASSWORD\n")
    curl = f"curl -sS --netrc-file {netrc} --ssl-reqd"
    for scheme in ("imaps", "imap"):
        assert "SEARCH" in desk.run(f"{curl} '{scheme}://{HOST}/INBOX?SUBJECT%20{there}'").stdout
    for scheme in ("pop3s", "pop3"):
        assert desk.run(f"{curl} {scheme}://{HOST}/").stdout.strip()
    for where in (f"smtps://{HOST}:465", f"smtp://{HOST}:587"):
        message = letter(USER, USER)
        send = f"{curl} --mail-from {USER} --mail-rcpt {USER} --upload-file - {where}"
        desk.run(send, input=message.as_bytes().decode())
        server.find(str(message["Subject"]))
