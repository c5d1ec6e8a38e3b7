"""Clients that nobody here wrote: swaks, curl, mbsync, openssl s_client. They run on the server's network."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from tests.machine.server import HOST, PASSWORD, STRANGER, USER, Server, letter

pytestmark = pytest.mark.machine


def client(
    server: Server, *argv: str, input: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a client from outside."""
    with server.net.inside():
        done = subprocess.run(argv, input=input, capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("how", [["--port", "587", "-tls"], ["--port", "465", "-tlsc"]])
def test_swaks_submits(server: Server, how: list[str]) -> None:
    subject = f"swaks {how[1]}"
    login = ["--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD]
    head = ["--h-Subject", subject, "--from", USER, "--to", USER]
    client(server, "swaks", "--server", server.address, *how, *login, *head)
    assert server.find(subject)["DKIM-Signature"]


def test_swaks_delivers_and_is_refused(server: Server) -> None:
    base = ["swaks", "--server", server.address, "--from", STRANGER]
    client(server, *base, "--to", USER, "--h-Subject", "swaks from outside", "-tls")
    server.find("swaks from outside")
    refused = client(server, *base, "--to", "somebody@faraway.example", check=False)
    assert refused.returncode == 24  # no recipient was accepted
    assert "454 4.7.1" in refused.stdout or "554 5.7.1" in refused.stdout


def test_curl_reads_by_imap_and_pop3_and_submits(server: Server, tmp_path: Path) -> None:
    subject = server.send(letter())
    server.find(subject)
    secret = tmp_path / "netrc"
    secret.write_text(
        f'machine {server.address}\nlogin {USER}\npassword "{PASSWORD.replace(chr(34), chr(92) + chr(34))}"\n'
    )
    curl = ["curl", "-sS", "-k", "--netrc-file", str(secret)]
    found = client(server, *curl, f"imaps://{server.address}/INBOX?SUBJECT%20{subject}").stdout
    number = found.split()[-1]
    assert subject in client(server, *curl, f"imaps://{server.address}/INBOX;MAILINDEX={number}").stdout
    assert (
        subject
        in client(server, *curl, "--ssl-reqd", f"imap://{server.address}/INBOX;MAILINDEX={number}").stdout
    )
    listing = client(server, *curl, f"pop3s://{server.address}/").stdout.splitlines()
    last = listing[-1].split()[0]
    assert subject in client(server, *curl, f"pop3s://{server.address}/{last}").stdout
    refused = client(server, *curl, f"imap://{server.address}/INBOX", check=False)
    assert refused.returncode != 0  # no login without TLS
    text = letter(USER, USER, subject="submitted by curl").as_string()
    send = ["--mail-from", USER, "--mail-rcpt", USER, "--upload-file", "-"]
    client(server, *curl, *send, f"smtps://{server.address}:465", input=text)
    server.find("submitted by curl")


def test_mbsync_takes_everything(server: Server, tmp_path: Path) -> None:
    server.find(server.send(letter()))
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "mail").mkdir()
    (tmp_path / "certificate.pem").write_text(server.machine.read("/var/lib/posthouse/tls/fullchain.pem"))
    (tmp_path / "config").write_text(
        f"""IMAPAccount s
Host {server.address}
Port 993
User {USER}
PassCmd "cat {tmp_path}/password"
SSLType IMAPS
SystemCertificates no
CertificateFile {tmp_path}/certificate.pem

IMAPStore far
Account s

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
SyncState *
"""
    )
    client(server, "mbsync", "-c", str(tmp_path / "config"), "-a")
    with server.imap(folder="INBOX") as session:
        there = len(session.search(["ALL"]))
    here = sum(len(list((tmp_path / "mail/INBOX" / part).iterdir())) for part in ("new", "cur"))
    assert here == there
    assert (tmp_path / "mail/Junk").is_dir()


@pytest.mark.parametrize(
    "how",
    [
        ["-port", "25", "-starttls", "smtp"],
        ["-port", "587", "-starttls", "smtp"],
        ["-port", "143", "-starttls", "imap"],
        ["-port", "110", "-starttls", "pop3"],
        ["-port", "4190", "-starttls", "sieve"],
        ["-port", "993"],
    ],
)
def test_openssl_sees_modern_tls_and_the_host_s_name(server: Server, how: list[str]) -> None:
    base = ["openssl", "s_client", "-host", server.address, *how]
    shown = client(server, *base, input="").stdout
    assert "TLSv1.3" in shown
    assert HOST in shown
    for old in ("-tls1", "-tls1_1"):
        refused = client(server, *base, old, "-cipher", "ALL:@SECLEVEL=0", check=False)
        assert "Cipher is (NONE)" in refused.stdout, (old, refused.stdout)
    weak = client(server, *base, "-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:@SECLEVEL=0", check=False)
    assert "Cipher is (NONE)" in weak.stdout


def test_sieve_scripts_are_managed_and_followed(server: Server) -> None:
    """ManageSieve (RFC 5804) by hand, as telnet would: a script is stored, made active, and files mail."""
    script = 'require ["fileinto", "mailbox"];\n'
    script += 'if header :contains "Subject" "to-be-filed" { fileinto :create "Filed"; }\n'
    word = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    said = (
        f'AUTHENTICATE "PLAIN" "{word}"\r\nPUTSCRIPT "mine" {{{len(script)}+}}\r\n{script}\r\n'
        'SETACTIVE "mine"\r\nLOGOUT\r\n'
    )
    base = ["openssl", "s_client", "-quiet", "-host", server.address, "-port", "4190", "-starttls", "sieve"]
    answer = client(server, *base, input=said).stdout
    assert answer.count("OK") >= 3, answer
    server.send(letter(subject="to-be-filed"))
    server.find("to-be-filed", folder="Filed")
