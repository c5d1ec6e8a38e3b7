"""What the hand-made system does wrong: none of it here."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl

import pytest
from imapclient import IMAPClient
from tests.machine.server import DOMAIN, PASSWORD, STRANGER, USER, Server, letter, trusting

pytestmark = pytest.mark.machine


def _raw(server: Server, port: int) -> socket.socket:
    with server.net.inside():
        return socket.create_connection((server.address, port), timeout=30)


def _dialogue(sock: socket.socket, lines: list[bytes]) -> list[bytes]:
    """Say each line after the answer to the one before."""
    stream = sock.makefile("rwb")
    answers = []

    def answer() -> bytes:
        text = b""
        while True:
            line = stream.readline()
            text += line
            if not line or line[3:4] != b"-":
                return text

    answers.append(answer())
    for line in lines:
        stream.write(line)
        stream.flush()
        answers.append(answer())
    return answers


@pytest.mark.parametrize("port", [25, 587])
def test_no_login_before_tls(server: Server, port: int) -> None:
    sock = _raw(server, port)
    _, ehlo, auth = _dialogue(sock, [b"EHLO x.example\r\n", b"AUTH PLAIN AHVzZXIAcGFzcw==\r\n"])
    assert b"AUTH" not in ehlo
    assert auth[:1] == b"5"
    sock.close()


def test_port_25_offers_no_login_inside_tls_either(server: Server) -> None:
    with server.smtp(25) as client:
        client.starttls(context=trusting())
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AHVzZXIAcGFzcw==")[0] >= 500


@pytest.mark.parametrize("port", [143, 110])
def test_imap_and_pop_refuse_logins_before_tls(server: Server, port: int) -> None:
    sock = _raw(server, port)
    stream = sock.makefile("rwb")
    greeting = stream.readline()
    assert b"AUTH=" not in greeting
    stream.write(f'a login {USER} "x"\r\n'.encode() if port == 143 else f"USER {USER}\r\n".encode())
    stream.flush()
    answer = stream.readline()
    assert answer.startswith((b"a NO", b"-ERR", b"* BAD")), answer
    sock.close()


def test_managesieve_refuses_logins_before_tls(server: Server) -> None:
    """RFC 5804 section 1.7: what is offered stands in the greeting."""
    with _raw(server, 4190) as sock:
        stream = sock.makefile("rwb")
        offered = {}
        while not (line := stream.readline()).startswith(b"OK"):
            assert line
            offered[line.split()[0]] = line
        assert offered[b'"SASL"'].split() == [b'"SASL"', b'""']
        stream.write(b'AUTHENTICATE "PLAIN" "AHVzZXIAcGFzcw=="\r\n')
        stream.flush()
        assert stream.readline().startswith((b"NO", b"BYE"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("port", [465, 993, 995])
def test_old_tls_is_refused(server: Server, port: int, version: ssl.TLSVersion) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)), context.wrap_socket(_raw(server, port)):
        pass


@pytest.mark.parametrize("port", [25, 587])
def test_old_tls_is_refused_after_starttls(server: Server, port: int) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with server.net.inside():
        client = smtplib.SMTP(server.address, port, "client.example", timeout=60)
    with pytest.raises((ssl.SSLError, ConnectionError, smtplib.SMTPException)):
        client.starttls(context=context)
    client.close()


def test_the_same_certificate_on_every_port_with_and_without_sni(server: Server) -> None:
    seen = set()
    for port in (465, 993, 995):
        for name in (None, "mail.snorl.ax", "other.example"):
            with trusting().wrap_socket(_raw(server, port), server_hostname=name) as tls:
                seen.add(tls.getpeercert(binary_form=True))
    for port in (25, 587):
        with server.net.inside():
            client = smtplib.SMTP(server.address, port, timeout=30)
        client.starttls(context=trusting())
        assert isinstance(client.sock, ssl.SSLSocket)
        seen.add(client.sock.getpeercert(binary_form=True))
        client.close()
    with server.net.inside():
        imap = imaplib.IMAP4(server.address, timeout=30)
    imap.starttls(trusting())
    seen.add(imap.sock.getpeercert(binary_form=True))
    imap.shutdown()
    assert len(seen) == 1


def test_unix_accounts_cannot_log_in(server: Server) -> None:
    server.run(
        "id shelluser >/dev/null 2>&1 || useradd -m shelluser; echo shelluser:secret-of-the-shell | chpasswd"
    )
    with pytest.raises(Exception, match=r"(?i)auth"), server.imap("shelluser", "secret-of-the-shell"):
        pass
    with pytest.raises(smtplib.SMTPAuthenticationError), server.smtp(587, "shelluser", "secret-of-the-shell"):
        pass


def test_nobody_else_reads_secrets_or_mail(server: Server) -> None:
    script = r"""
        find / -xdev \( -path /proc -o -path /sys \) -prune -o -type f -readable -print0 2>/dev/null |
        xargs -0 grep -l -s -a -e 'ARGON2ID}\$argon2id\$v=' -e 'BEGIN PRIVATE KEY' -e 'BEGIN RSA PRIVATE KEY' |
        grep -v -e ^/usr/lib/python3 -e ^/usr/share -e /site-packages/ -e ^/opt/posthouse -e ^/usr/lib || true
    """
    found = server.run(
        ["setpriv", "--reuid=nobody", "--clear-groups", "sh", "-c", script], timeout=300
    ).stdout
    assert found == ""
    for path in (
        "/var/mail/vhosts",
        "/var/lib/posthouse/directory",
        "/var/lib/posthouse/dkim",
        "/var/lib/posthouse/tls",
        "/var/lib/posthouse/engine",
    ):
        seen = server.run(["setpriv", "--reuid=nobody", "--clear-groups", "ls", path], check=False)
        assert seen.returncode != 0, path


def test_no_smuggling(server: Server) -> None:
    """RFC 5321 section 4.1.1.4: only CRLF.CRLF ends a message; nothing hides a second one behind another end."""
    whole = []
    for end in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\n.\r", b"\r\n.\r"):
        mark = "smuggle" + end.hex()
        first, second = letter(subject="first-" + mark), letter(subject="second-" + mark)
        sock = _raw(server, 25)
        commands = [
            b"EHLO x.example\r\n",
            f"MAIL FROM:<{STRANGER}>\r\n".encode(),
            f"RCPT TO:<{USER}>\r\n".encode(),
        ]
        hidden = b"MAIL FROM:<evil@elsewhere.example>\r\nRCPT TO:<" + USER.encode() + b">\r\nDATA\r\n"
        data = first.as_bytes() + end + hidden + second.as_bytes() + b"\r\n.\r\n"
        answers = _dialogue(sock, [*commands, b"DATA\r\n", data])
        sock.close()
        whole += ["first-" + mark] if answers[-1].startswith(b"250") else []
    server.arrives(letter())  # what came before would have arrived by now
    found = []
    for folder in ("INBOX", "Junk"):
        with server.imap(folder=folder) as client:
            found += [
                bytes(m[b"ENVELOPE"].subject or b"").decode()
                for m in client.fetch(client.search(["ALL"]) or [1], ["ENVELOPE"]).values()
            ]
    assert [subject for subject in found if subject.startswith("second-smuggle")] == []
    assert set(whole) <= set(found)


def test_submission_without_a_login_is_told_to_log_in(server: Server) -> None:
    with server.smtp(587) as client:
        client.ehlo()
        assert client.mail(USER)[0] == 530


def test_vrfy_is_off(server: Server) -> None:
    with server.smtp() as client:
        assert client.docmd("VRFY", USER)[0] >= 500


def test_large_mail_is_scanned(server: Server) -> None:
    sent = letter(text=("x" * 70 + "\n") * 16000)  # over 1 MiB
    message = server.arrives(sent)
    assert message["X-Spamd-Bar"] or message["X-Spam-Status"] or message["Authentication-Results"]


def test_forged_verdicts_from_outside_are_removed(server: Server) -> None:
    sent = letter(
        X_Spam_Flag="YES",
        X_Spam="Yes",
        Authentication_Results=f"mail.{DOMAIN}; dmarc=pass header.from=bank.example",
    )
    message = server.arrives(sent)
    assert all("bank.example" not in value for value in message.get_all("Authentication-Results", []))
    assert message["X-Spam-Flag"] is None


@pytest.mark.parametrize(
    ("name", "unit"), [("rspamd", "rspamd.service"), ("posthouse-agent", "posthouse-agent.service")]
)
def test_a_filter_that_is_down_means_try_again_later(server: Server, name: str, unit: str) -> None:
    port, login = (25, None) if name == "rspamd" else (587, USER)
    with server.stopped(name, unit):
        with (
            pytest.raises(smtplib.SMTPException, match=r"\b4[0-9][0-9]\b"),
            server.smtp(port, login) as client,
        ):
            client.sendmail(login or STRANGER, [USER], letter(login or STRANGER).as_bytes())
        server.run(["sh", "-c", f"printf 'Subject: waits-for-{name}\\n\\nhi\\n' | sendmail root"])
        assert server.count(f"waits-for-{name}") == 0
    server.find(server.send_again(letter(login or STRANGER), port=port, user=login))
    server.run(["postqueue", "-f"])
    message = server.find(f"waits-for-{name}")
    assert message["DKIM-Signature"]


def test_ten_connections_of_one_address(server: Server) -> None:
    sessions = [server.smtp() for _ in range(10)]
    clients = [session.__enter__() for session in sessions]
    subjects = []
    for client in clients:
        sent = letter()
        client.sendmail(STRANGER, [USER], sent.as_bytes())
        subjects.append(str(sent["Subject"]))
    for session in sessions:
        session.__exit__(None, None, None)
    for subject in subjects:
        server.find(subject)


def test_a_login_with_any_characters_in_the_password(server: Server) -> None:
    address = f"odd@{DOMAIN}"
    server.posthouse("user", "add", address, "--password-stdin", input="first\n", check=False)
    for password in (
        "a b",
        "'quotes\"",
        "50%%d $HOME `id`",
        "back\\slash;--",
        "grüße€",
        PASSWORD,
        "{PLAIN}x",
        "x" * 200,
    ):
        server.posthouse("user", "password", address, "--password-stdin", input=password + "\n")
        with server.net.inside():
            client = IMAPClient(server.address, port=993, ssl_context=trusting(), timeout=60)
        client.plain_login(address, password)
        client.logout()
        if password.isascii():  # smtplib knows no other
            with server.smtp(587, address, password):
                pass
