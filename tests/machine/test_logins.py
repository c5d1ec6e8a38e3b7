"""Logins beside the main password: app passwords, frozen accounts, hashes of before; and who tries to get around."""

from __future__ import annotations

import imaplib
import json
import poplib
import re
import smtplib
import socket
from collections.abc import Callable

import pytest
from imapclient.exceptions import LoginError
from tests.machine import scram
from tests.machine.server import PASSWORD, Server, awaited, letter, trusting

from posthouse.lab.wait import until

pytestmark = pytest.mark.machine

# Plain SQL, as the directory's owner: in either database.
ASKED = """
import json, sys
from posthouse import directory
def ask(connection):
    found = connection.execute(sys.argv[1], sys.argv[2:])
    return [list(row) for row in found.fetchall()] if sys.argv[1].startswith("SELECT") else []
print(json.dumps(directory.writing(ask)))
"""
WAITS = "somebody@[198.18.250.250]"  # nobody is there: what goes there stays in the queue


def sql(server: Server, statement: str, *values: str) -> list[list[str]]:
    """Say plain SQL; return the rows of a SELECT."""
    said = server.run(["/opt/posthouse/venv/bin/python", "-I", "-c", ASKED, statement, *values])
    return json.loads(said.stdout)


def stored(server: Server, login: str) -> str:
    """The hash of an account's password."""
    return sql(server, "SELECT password FROM users WHERE userid = ?", login)[0][0]


def app_password(server: Server, account: str, name: str, protocols: str = "imap,pop3,smtp,sieve") -> str:
    made = server.posthouse("user", "app-password", "add", account, name, "--for", protocols)
    return made.stdout.strip()


def app_passwords(server: Server, account: str) -> dict[str, dict[str, str]]:
    listed = server.posthouse("user", "app-password", "list", account, "--json").stdout
    return {one["name"]: one for one in json.loads(listed)}


def account(server: Server, address: str, password: str = PASSWORD) -> str:
    server.posthouse("user", "add", address, "--password-stdin", input=password + "\n")
    return address


def pop3(server: Server, user: str, password: str) -> poplib.POP3_SSL:
    with server.net.inside():
        client = poplib.POP3_SSL(server.address, 995, context=trusting(), timeout=60)
    client.user(user)
    client.pass_(password)
    return client


def refused(server: Server, user: str, password: str) -> None:
    """No protocol lets them in."""
    with pytest.raises(LoginError), server.imap(user, password):
        pass
    with pytest.raises(smtplib.SMTPAuthenticationError), server.smtp(587, user, password):
        pass


@pytest.mark.grounds("12-systemd-clean", "13-systemd-policy")
def test_an_app_password_lives_until_it_is_revoked(server: Server) -> None:
    user = account(server, "apps@snorl.ax")
    secret, other = (
        app_password(server, user, "Kims phone", "imap,smtp"),
        app_password(server, user, "tablet"),
    )
    with server.imap(user, secret):
        pass
    awaited(lambda: app_passwords(server, user)["Kims phone"]["last_used"], "its use to be noted")
    assert app_passwords(server, user)["Kims phone"]["last_address"].startswith("198.18.")
    assert app_passwords(server, user)["tablet"]["last_used"] is None
    with pytest.raises(poplib.error_proto):
        pop3(server, user, secret)
    pop3(server, user, other).quit()
    with server.smtp(587, user, secret) as submission, server.imap(user, secret) as reading:
        assert submission.mail(user)[0] == 250
        submission.rset()
        reading.noop()
        server.posthouse("user", "app-password", "revoke", user, "Kims phone")
        code, text = submission.mail(user)
        assert (code, text[:5]) == (421, b"4.7.0")
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            reading.noop()
    refused(server, user, secret)
    with server.imap(user, other), server.smtp(465, user, other) as submission:
        assert submission.mail(user)[0] == 250
    server.posthouse("user", "change", user, "--apps-only")
    refused(server, user, PASSWORD)
    with server.imap(user, other):
        pass
    for secret_ in (secret, other):
        assert secret_ not in server.log()


@pytest.mark.grounds("12-systemd-clean", "13-systemd-policy")
def test_a_frozen_account_loses_nothing(server: Server) -> None:
    user = account(server, "frozen@snorl.ax")

    def waiting() -> set[str]:
        found = [json.loads(line) for line in server.queue()]
        return {one["queue_name"] for one in found if one["sender"] == user}

    server.send(letter(user, WAITS), port=587, user=user)
    awaited(waiting, "the message to wait in the queue")
    with server.smtp(587, user) as submission, server.imap(user) as reading:
        assert submission.mail(user)[0] == 250
        assert submission.rcpt(WAITS)[0] == 250
        server.run(["doveadm", "reload"])
        assert reading.noop()  # no reload ends a session,
        server.posthouse("user", "freeze", user)  # and none hides it from this
        assert submission.data(letter(user, WAITS).as_bytes())[0] == 421  # in the middle of a message
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            reading.noop()
    assert waiting() == {"hold"}
    refused(server, user, PASSWORD)
    subject = server.send_again(letter(to=user))  # mail for it goes on coming
    assert "frozen" in server.posthouse("user", "show", user).stdout
    assert re.search(r"\([1-9]\d* frozen\)", server.posthouse("status", check=False).stdout)
    server.posthouse("user", "thaw", user)
    assert "hold" not in waiting()
    assert waiting()
    server.find(subject, user)
    server.run(["postsuper", "-d", "ALL"], check=False)


@pytest.mark.grounds("12-systemd-clean", "13-systemd-policy")
def test_a_hash_of_before_is_made_anew_at_the_login(server: Server) -> None:
    user = account(server, "old@snorl.ax")
    des = crypt(server, PASSWORD, "ab")
    for made, logins in ((crypt(server, PASSWORD, "$1$saltsalt$"), 1), (f"{{CRYPT}}{des}", 2)):
        sql(server, "UPDATE users SET password = ? WHERE userid = ?", made, user)
        for number in range(logins):
            assert stored(server, user) == made, number
            with server.imap(user) as client:
                client.noop()
        awaited(lambda: stored(server, user).startswith("{ARGON2ID}$argon2id$"), "the hash to be made anew")
        with server.imap(user), server.smtp(587, user):
            pass
    assert PASSWORD.encode().hex() not in server.log()


def crypt(server: Server, password: str, setting: str) -> str:
    """A hash by the server's crypt(3)."""
    text = (
        "import ctypes, sys; c = ctypes.CDLL('libcrypt.so.1'); c.crypt.restype = ctypes.c_char_p;"
        "print(c.crypt(sys.stdin.read().encode(), sys.argv[1].encode()).decode())"
    )
    return server.run(["python3", "-c", text, setting], input=password).stdout.strip()


@pytest.mark.full
def test_nobody_gets_around_it(server: Server) -> None:
    user = account(server, "tricks@snorl.ax")
    secret = app_password(server, user, "phone")
    before = server.pids("posthouse-agent")
    # Each wrong one costs up to a quarter of a minute: Dovecot lets an address that guesses wait.
    for name in (f"{user}@evil", f"evil@{user}", f"{user}'--", "%u", f"*{user}"):
        with server.smtp(587) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(name, secret)
    for password in ("x" * 10_000, secret[:-1], f"' OR '{secret}", "%{password}"):
        with pytest.raises((smtplib.SMTPException, OSError)), server.smtp(465, user, password):
            pass
    for blob in (
        f"{user}\0{user}\0\0{secret}",
        f"admin@snorl.ax\0{user}\0{secret}",  # to be somebody else
        f"\0{user}\0{secret[:13]}\0{secret[13:]}",
    ):
        with server.smtp(465) as client:
            client.ehlo()
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.auth("PLAIN", lambda _=None, blob=blob: blob)
    with server.net.inside(), socket.create_connection((server.address, 143), timeout=60) as plain:
        plain.recv(1000)
        plain.sendall(f"a LOGIN {user} {secret}\r\n".encode())  # outside TLS
        assert b"a OK" not in plain.recv(1000)
    assert server.pids("posthouse-agent") == before
    assert "Traceback" not in server.log()
    with server.imap(user, secret):
        pass


def cram(client: smtplib.SMTP, user: str, password: str) -> int:
    client.user, client.password = user, password
    try:
        return client.auth("CRAM-MD5", client.auth_cram_md5)[0]
    except smtplib.SMTPAuthenticationError as error:
        return error.smtp_code


def answer(server: Server, how: Callable[[smtplib.SMTP, str, str], int], user: str, password: str) -> int:
    """What a login is answered. 454: Dovecot is another by now, or lets a guesser wait for longer than smtpd does."""

    def said() -> int:
        with server.smtp(465) as client:
            client.ehlo()
            code = how(client, user, password)
        return 0 if code == 454 else code

    return until(said, 60, "an answer")


@pytest.mark.full
def test_each_mechanism_has_a_credential_of_its_own(server: Server) -> None:
    without = account(server, "without@snorl.ax")
    site = server.machine.read("/etc/posthouse/posthouse.toml")
    wanted = site + '\n[auth]\nmechanisms = ["scram-sha-256", "cram-md5"]\n'
    server.run("cat >/etc/posthouse/posthouse.toml", input=wanted)
    try:
        server.posthouse("apply", "--yes")
        user = account(server, "mechanisms@snorl.ax")
        assert stored(server, user).startswith("{ARGON2ID}")
        for by in (scram.login, cram):
            # A right one after each wrong one: else Dovecot lets this address wait, longer each time.
            for name, given, expected in ((user, "wrong", 535), (without, PASSWORD, 535)):
                assert answer(server, by, name, given) == expected, (by, name, given)
                assert answer(server, by, user, PASSWORD) == 235
        for name in (user, without, "mechanisms"):  # the last by the site's realm
            with server.imap(name):
                pass
        with server.smtp(25) as client:
            client.ehlo()
            assert not client.has_extn("auth")
        with server.net.inside(), socket.create_connection((server.address, 143), timeout=60) as plain:
            plain.recv(1000)
            plain.sendall(b"a CAPABILITY\r\nb AUTHENTICATE CRAM-MD5\r\n")
            said = b""
            while b"\nb " not in said:
                said += plain.recv(1000)
            assert b"AUTH=" not in said
        # A password by plain SQL leaves no credential of the old one.
        sql(server, "UPDATE users SET password = '{PLAIN}other' WHERE userid = ?", user)
        with server.smtp(465) as client:
            client.ehlo()
            assert scram.login(client, user, PASSWORD) == 535
    finally:
        server.run("cat >/etc/posthouse/posthouse.toml", input=site)
        server.posthouse("apply", "--yes")
