"""Submission's logins by Cyrus SASL: one setting, on a live server, there and back; judged as ever."""

from __future__ import annotations

import re
import smtplib
import subprocess
from collections.abc import Iterator

import pytest
from tests.machine.server import DOMAIN, PASSWORD, USER, Server, awaited, letter
from tests.machine.test_logins import account, app_password, app_passwords, crypt, sql, stored

from posthouse.watch import signs

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean")]
SITE = "/etc/posthouse/posthouse.toml"
TLS = {587: "-tls", 465: "-tlsc"}
TIRED = "tired@snorl.ax"


def swaks(server: Server, port: int, mechanism: str, user: str, password: str) -> str:
    """Log in by swaks; return the dialogue."""
    argv = ["swaks", "--server", server.address, "--port", str(port), TLS[port], "--quit-after", "AUTH"]
    argv += ["--auth", mechanism, "--auth-user", user, "--auth-password", password]
    with server.net.inside():
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False).stdout


def code(server: Server, user: str, password: str, mechanism: str = "PLAIN", port: int = 587) -> int:
    """What a login is answered."""
    said = swaks(server, port, mechanism, user, password)
    found = re.findall(r"^<~[* ] +(235|454|5\d\d) ", said, re.MULTILINE)
    assert found, said
    return int(found[0])


def choose(server: Server, site: str) -> None:
    """Write the site file and apply it."""
    server.run(f"cat >{SITE}", input=site)
    server.posthouse("apply", "--yes")
    assert server.posthouse("plan", "--exit-code").returncode == 0


@pytest.fixture(scope="module")
def cyrus(server: Server) -> Iterator[Server]:
    """The server with Cyrus SASL, switched back in the end."""
    site = server.machine.read(SITE)
    choose(server, f'{site}\n[auth]\nsasl = "cyrus"\n')
    assert server.pids("saslauthd")
    yield server
    choose(server, site)
    assert not server.pids("saslauthd")
    assert server.run("ls /etc/pam.d/smtp /etc/postfix/sasl/smtpd.conf", check=False).returncode == 2
    assert server.run(["postconf", "-h", "smtpd_sasl_type"]).stdout == "dovecot\n"
    assert (code(server, USER, PASSWORD), code(server, USER, "wrong")) == (235, 535)


@pytest.mark.parametrize(("mechanism", "port"), [("PLAIN", 587), ("LOGIN", 465)])
def test_the_right_password_and_no_other(cyrus: Server, mechanism: str, port: int) -> None:
    assert code(cyrus, USER, PASSWORD, mechanism, port) == 235
    assert code(cyrus, USER, "wrong", mechanism, port) == 535

    def tells() -> bool:
        lines = [line for line in cyrus.log().splitlines() if signs._SASL.search(line)]
        return bool(lines) and not lines[-1].endswith(signs._NOT_ASKED)

    awaited(tells, "a line that bans are made of")


@pytest.mark.full
def test_who_may_log_in(cyrus: Server) -> None:
    user = account(cyrus, "sasl@snorl.ax")
    cyrus.posthouse("alias", "add", "sasl-alias@snorl.ax", user)
    phone, reader = (app_password(cyrus, user, name, name) for name in ("smtp", "imap"))
    assert code(cyrus, "sasl", PASSWORD) == 235  # by the realm
    assert code(cyrus, "Sasl@Snorl.AX", PASSWORD) == 235
    assert code(cyrus, "sasl-alias@snorl.ax", PASSWORD) == 535  # Postfix would know the sender by that name
    assert code(cyrus, user, phone) == 235
    awaited(lambda: app_passwords(cyrus, user)["smtp"]["last_used"], "its use to be noted")
    assert app_passwords(cyrus, user)["smtp"]["last_address"] == "?"  # nobody tells Dovecot
    assert code(cyrus, user, reader) == 535
    cyrus.posthouse("user", "change", user, "--apps-only")
    assert (code(cyrus, user, PASSWORD), code(cyrus, user, phone)) == (535, 235)
    cyrus.posthouse("user", "freeze", user)
    assert code(cyrus, user, phone) == 535
    cyrus.posthouse("user", "thaw", user)
    assert code(cyrus, user, phone) == 235
    cyrus.posthouse("user", "app-password", "revoke", user, "smtp")
    assert code(cyrus, user, phone) == 535
    for secret in (phone, PASSWORD):
        assert secret not in cyrus.log()


def test_what_is_offered_and_where(cyrus: Server) -> None:
    with cyrus.smtp(25) as client:
        client.ehlo()
        assert not client.has_extn("auth")
    with cyrus.net.inside():
        plain = smtplib.SMTP(cyrus.address, 587, "client.example", 60)
    plain.ehlo()
    assert not plain.has_extn("auth")
    assert plain.docmd("AUTH", "PLAIN AGEAYg==")[0] == 530
    plain.close()
    said = swaks(cyrus, 587, "PLAIN", USER, PASSWORD)
    offered = re.findall(r"250-AUTH[ =](.*)", said)
    assert [set(line.split()) for line in offered] == [{"PLAIN", "LOGIN"}] * 2  # the old form too


@pytest.mark.full
def test_the_login_owns_what_it_owned(cyrus: Server) -> None:
    tired = account(cyrus, TIRED)
    sent = letter(USER, USER)
    with cyrus.smtp(587, USER.upper()) as client:
        client.send_message(sent, USER, [USER])
        assert client.mail(tired)[0] == 553
    assert cyrus.find(str(sent["Subject"]))["DKIM-Signature"]
    for blob in (f"{tired}\0{USER}\0{PASSWORD}", f"{USER}\0{tired}\0wrong", f"\0{USER}@{DOMAIN}\0{PASSWORD}"):
        with cyrus.smtp(465) as client:
            client.ehlo()
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.auth("PLAIN", lambda _=None, blob=blob: blob)
    with cyrus.smtp(465, tired) as client:
        assert client.mail(tired)[0] == 250
        client.rset()
        cyrus.posthouse("user", "freeze", tired)
        assert client.mail(tired)[0] == 421


def test_a_hash_of_before_is_made_anew(cyrus: Server) -> None:
    user = account(cyrus, "sasl-old@snorl.ax")
    made = crypt(cyrus, PASSWORD, "$1$saltsalt$")
    sql(cyrus, "UPDATE users SET password = ? WHERE userid = ?", made, user)
    assert code(cyrus, user, "wrong") == 535
    assert stored(cyrus, user) == made
    assert code(cyrus, user, PASSWORD) == 235
    awaited(lambda: stored(cyrus, user).startswith("{ARGON2ID}"), "the hash to be made anew")


def test_a_login_waits_for_dovecot(cyrus: Server) -> None:
    """While it starts anew nobody is told that the password is wrong."""
    with cyrus.smtp(465) as client:
        client.ehlo()
        cyrus.service("restart", "dovecot", "dovecot.service")
        client.login(USER, PASSWORD)
