"""The ways around the sender check that a hostile user would try, on the real Postfix and Dovecot."""

from __future__ import annotations

import shlex
import smtplib
import uuid
from collections.abc import Iterator

import pytest
from tests.machine.server import DOMAIN, HOST, PASSWORD, STRANGER, USER, Server, awaited, letter, unique

pytestmark = pytest.mark.machine
USER2 = f"user2@{DOMAIN}"


def submit(server: Server, header: bytes) -> int:
    """Submit a raw message as USER and return the code after its end."""
    with server.smtp(465, USER) as client:
        for command, args in (("MAIL", f"FROM:<{USER}>"), ("RCPT", f"TO:<{USER}>")):
            code, text = client.docmd(command, args)
            assert code == 250, text
        assert client.docmd("DATA")[0] == 354
        client.send(header + b"\r\n\r\nhello\r\n.\r\n")
        return client.getreply()[0]


@pytest.mark.parametrize(
    "header",
    [
        b"From: user@snorl.ax\r\nFrom: user2@snorl.ax",
        b"From: user@snorl.ax\r\nFrom : user2@snorl.ax",
        b"From: user@snorl.ax, user2@snorl.ax",
        b"From:\r\n user2@snorl.ax",
        b"From: user@snorl.ax\0, user2@snorl.ax",
        b"Subject: x\nFrom: user2@snorl.ax\r\nFrom: user@snorl.ax",
        b'From: "user2@snorl.ax" <user@snorl.ax>',
        b"From: =?utf-8?Q?user2=40snorl.ax?= <user@snorl.ax>",
        b"From: user@snorl.ax (user2@snorl.ax)",
        b"From: Group: user2@snorl.ax;",
        b"From: K\xedm <user@snorl.ax>",
        b"From: user@snorl.ax\r\nSender: user2@snorl.ax",
        b"From: user@snorl.ax\r\nResent-From: user2@snorl.ax",
    ],
)
def test_no_header_shows_another_author(server: Server, header: bytes) -> None:
    assert 500 <= submit(server, header) < 600


@pytest.mark.parametrize(
    "header",
    [
        b"From: User <user@snorl.ax>",
        "From: Üser <user+x@snorl.ax>".encode(),
        b'From: "user@snorl.ax" <user@snorl.ax>',
        b"From: user@snorl.ax (User)\r\nReply-To: somebody@elsewhere.example",
    ],
)
def test_honest_headers_pass(server: Server, header: bytes) -> None:
    assert submit(server, header) == 250


# A message in the form of postdrop(1)'s input: type, length, text.
DROP = """
import subprocess, sys
def record(kind, text):
    return kind.encode() + bytes([len(text)]) + text.encode()
sender, *lines = sys.argv[1:]
records = [record("S", sender), record("R", "USER"), record("M", "")]
records += [record("N", line.encode().decode("unicode_escape")) for line in lines]
records += [record("X", ""), record("E", "")]
subprocess.run(["/usr/sbin/postdrop", "-r"], input=b"".join(records), check=True)
""".replace("USER", USER)


def test_postdrop_is_no_way_around(server: Server) -> None:
    server.run("id shelly >/dev/null 2>&1 || useradd -m shelly")
    own, root = f"shelly@{DOMAIN}", f"root@{DOMAIN}"
    forged, honest = uuid.uuid4().hex, uuid.uuid4().hex

    def drop(sender: str, *lines: str) -> None:
        command = shlex.join(["python3", "-c", DROP, sender, *lines])
        server.machine.run(["sh", "-c", command], user="shelly")

    drop(root, f"From: {root}", f"Subject: {forged}", "", "x")
    drop(own, f"From: {root}", f"Subject: {forged}", "", "x")
    drop(own, "X-Posthouse-User: 0 ABCDEF Sun", f"From: {root}", f"Subject: {forged}", "", "x")
    for start in ("", "\\t(Postfix, from userid 0)"):
        received = [start] if start else []
        received += ["Received: by mail.snorl.ax (Postfix, from userid 0)", "\\tid ABCDEF; Sun"]
        drop(own, *received, f"From: {root}", f"Subject: {forged}", "", "x")
    drop(own, f"From: {own}", f"Subject: {honest}", "", "x")
    message = server.find(honest)
    assert "userid" not in str(message)
    assert message["X-Posthouse-User"] is None
    # What was refused came back as a bounce; nothing with a forged author reached a mailbox.
    with server.imap(folder="INBOX") as client:
        for number in client.search(["HEADER", "SUBJECT", forged]):
            raw = client.fetch([number], ["BODY.PEEK[HEADER.FIELDS (FROM)]"])[number]
            assert root.encode() not in b"".join(value for value in raw.values() if isinstance(value, bytes))


SCRIPT = """require ["vacation"];
if header :contains "subject" "FORGE" {{ vacation :handle "{0}" :addresses "{1}" :from "{2}" "away"; }}
elsif header :contains "subject" "MASTER" {{ vacation :handle "{0}-m" :addresses "{1}" :from "{3}" "away"; }}
elsif header :contains "subject" "PASS-ON" {{ redirect "{2}"; }}
else {{ vacation :handle "{0}-own" "away"; }}
"""


@pytest.fixture
def scripted(server: Server) -> Iterator[Server]:
    """user2@ has a Sieve script that does what the subject says."""
    server.posthouse("user", "add", USER2, "--password-stdin", input=PASSWORD + "\n", check=False)
    home = f"/var/mail/sieve/{DOMAIN}/mails/user2"
    script = SCRIPT.format(uuid.uuid4().hex, USER2, USER, f"postmaster@{DOMAIN}")
    server.run(
        f"mkdir -p {home}/sieve && cat > {home}/sieve/t.sieve && ln -sf sieve/t.sieve {home}/active.sieve"
        f" && chown -R vmail:vmail /var/mail/sieve/{DOMAIN}",
        input=script,
    )
    yield server
    server.run(f"rm -f {home}/active.sieve")


def test_a_sieve_script_answers_only_as_its_account(scripted: Server) -> None:
    forged = [f"{word} {uuid.uuid4().hex}" for word in ("FORGE", "MASTER")]
    plain = uuid.uuid4().hex
    for subject in (*forged, plain):
        text = f"From: {USER}\\nTo: {USER2}\\nSubject: {subject}\\n\\nx\\n"
        scripted.run(f"printf '{text}' | sendmail -f {USER} {USER2}")
    answer = scripted.find(f"Auto: {plain}")
    assert answer["From"].addresses[0].addr_spec == USER2
    assert answer["DKIM-Signature"] is not None
    assert [scripted.count(f"Auto: {subject}") for subject in forged] == [0, 0]


def test_what_a_sieve_script_passes_on_gets_no_signature_of_ours(scripted: Server) -> None:
    """Its author and envelope sender are whoever wrote from outside, here as if from a domain of ours."""
    domain = f"{unique()}.example"
    scripted.posthouse("domain", "add", domain)
    # Its owner asks for nothing, so that the mail is not filed as forged before the script sees it.
    scripted.net.dns.set_zone(domain, ['_dmarc 60 IN TXT "v=DMARC1; p=none"', f"@ 60 IN MX 10 {HOST}."])
    awaited(lambda: scripted.sees(f"_dmarc.{domain}"), "the server to see the domain's policy")
    for sender in (f"postmaster@{domain}", ""):
        subject = f"PASS-ON {uuid.uuid4().hex}"
        scripted.send(letter(f"postmaster@{domain}", USER2, subject), sender=sender)
        assert scripted.find(subject)["DKIM-Signature"] is None


def test_scripts_cannot_write_notifications(server: Server) -> None:
    """Their sender would be free."""
    script = 'require "enotify"; notify "mailto:somebody@elsewhere.example";'
    done = server.run("cat > /tmp/n.sieve && sievec /tmp/n.sieve /tmp/n.svbin", check=False, input=script)
    assert done.returncode != 0
    assert "enotify" in done.stderr


def test_port_25_is_not_asked(server: Server) -> None:
    """The agent is not in the way of mail from outside."""
    with server.stopped("posthouse-agent", "posthouse-agent.service"), server.smtp(25) as client:
        assert client.docmd("EHLO", "client.example")[0] == 250
        assert client.docmd("MAIL", f"FROM:<{STRANGER}>")[0] == 250
        assert client.docmd("RCPT", f"TO:<{USER}>")[0] == 250
    with server.stopped("posthouse-agent", "posthouse-agent.service"):
        with pytest.raises(smtplib.SMTPResponseException) as said, server.smtp(587, USER) as client:
            client.sendmail(USER, [USER], b"From: user@snorl.ax\r\n\r\nx\r\n")
        assert 400 <= said.value.smtp_code < 500
