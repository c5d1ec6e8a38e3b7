"""`posthouse up --adopt`: a server made by hand becomes a Posthouse server, and again what it was."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from imapclient.exceptions import IMAPClientError
from tests.machine.conftest import publish, unpack
from tests.machine.hand_made import build, mail
from tests.machine.hand_made.accounts import LOGINS
from tests.machine.server import DOMAIN, HOST, Server, awaited, letter
from tests.machine.test_logins import cram

from posthouse.lab import Network
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.full]  # some minutes a Debian

PASSWORD = mail.PASSWORDS[f"user@{DOMAIN}"]
# The tests' own address gives wrong passwords of many accounts.
ADOPT = ["up", DOMAIN, "--adopt", "--account", f"user@{DOMAIN}", "--never-ban", "198.18.0.0/15"]
SUITES = ("bookworm", "trixie")


@dataclass
class Old:
    """The hand-made server before it is taken over, and what stood on it."""

    server: Server
    program: str
    photographs: dict[str, object]
    waiting: dict[str, str]
    files: str
    notes: dict[str, str] = field(default_factory=dict)

    def adopt(self, *more: str, check: bool = True) -> str:
        """Say it on the machine; return all that it said."""
        done = self.server.run([self.program, *ADOPT, *more], check=check, timeout=1800)
        return str(done.stdout + done.stderr)


def _files(server: Server) -> str:
    """The old server's own files, by digest, mode and owner."""
    return server.run(
        "cd /etc && sha256sum postfix/*.cf dovecot/*.conf aliases opendkim.conf && stat -c '%n %a %U %G' postfix/*.cf"
    ).stdout


@pytest.fixture(scope="module", params=SUITES)
def old(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Old]:
    """The hand-made server with mail in its mailboxes and its queue."""
    suite = request.param
    machine = net.machine(f"adopt-{suite}", suite, base=build.snapshot(net, suite), hostname=HOST)
    publish(net, machine)
    net.dns.set_zone(
        "away.example", ["away.example. 60 IN MX 10 mx.away.example.", "mx.away.example. 60 IN A 203.0.113.9"]
    )
    server = Server(machine, net)
    awaited(
        lambda: "220" in server.run("head -1 < /dev/tcp/127.0.0.1/25 || :", check=False).stdout or True,
        "SMTP",
    )
    mail.fill(server)
    server.find(server.send_again(letter()), password=PASSWORD)  # it works as a mail server
    waiting = mail.leave_in_queue(server)
    photographs = {address: mail.photograph(server, address) for address in mail.PASSWORDS}
    program = unpack(machine, archive) + "/posthouse"
    yield Old(server, program, photographs, waiting, _files(server))  # type: ignore[arg-type]
    machine.destroy()


def _log(server: Server) -> str:
    return server.run(
        "journalctl --no-pager -o cat -t postfix/lmtp -t postfix/spamassassin/lmtp -t postfix/qmgr"
    ).stdout


def test_up_alone_points_to_adopt_and_touches_nothing(old: Old) -> None:
    done = old.server.run([old.program, "up", DOMAIN, "--yes"], check=False, timeout=900)
    assert done.returncode != 0
    assert "--adopt" in done.stderr
    assert _files(old.server) == old.files


def test_a_server_that_cannot_be_taken_over_is_told_so(old: Old) -> None:
    old.server.run("systemctl stop postgresql")
    said = old.adopt("--yes", check=False)
    # They wait before they ask a database again that was away, Postfix 3.7 a minute, Dovecot ever longer.
    old.server.run("systemctl start postgresql && systemctl restart postfix dovecot")
    assert "psql" in said
    assert "Traceback" not in said
    assert _files(old.server) == old.files


def test_the_plan_comes_first_and_nothing_happens_without_a_yes(old: Old) -> None:
    said = old.adopt(check=False)
    for part in (
        "smtpd_sender_login_maps",
        "header_checks",
        "202611._domainkey",
        "needs a yes",
        "/etc/postfix/main.cf",
    ):
        assert part in said
    assert "secret" not in said
    assert _files(old.server) == old.files
    assert old.server.run("test ! -e /etc/posthouse", check=False).returncode == 0


def test_killed_half_way_it_goes_on(old: Old) -> None:
    # to a file: nobody reads a pipe here, and the plan is longer than one holds
    argv = ["sh", "-c", 'exec "$@" >/root/adopt.log 2>&1', "sh", old.program, *ADOPT, "--yes"]
    started = old.server.machine.start(argv)
    awaited(
        lambda: old.server.run("test -e /etc/posthouse/posthouse.toml", check=False).returncode == 0,
        "a start",
        900,
    )
    started.kill_all()
    # The old server goes on: logins, and mail (its filter rests after each try of what it cannot deliver).
    old.photographs[f"user@{DOMAIN}"] = mail.photograph(old.server, f"user@{DOMAIN}")
    old.notes["taken half-way"] = old.server.send_again(letter())


def _still_serves(old: Old) -> None:
    """The old server's files are as they were, users get in, what waits for others waits, and mail flows."""
    assert _files(old.server) == old.files
    assert any(list(old.waiting.values())[1] in line for line in old.server.queue())
    old.server.find(old.server.send_again(letter()), password=PASSWORD)
    for address, before in old.photographs.items():
        now, _ = mail.photograph(old.server, address)
        for name, folder in before[0].items():  # type: ignore[index]
            assert now[name].uidvalidity == folder.uidvalidity, name
            assert folder.messages.items() <= now[name].messages.items(), name


def test_where_mail_does_not_flow_the_old_server_comes_back(old: Old) -> None:
    """A rule of the operator's own that every checker likes, and that refuses what the probe sends."""
    rules = "/etc/postfix/header_checks"
    before = old.server.machine.read(rules)
    old.server.machine.write(rules, before + "/^Subject: Posthouse probe/ REJECT not today\n")
    said = old.adopt("--yes", check=False)
    assert "mail does not flow" in said
    assert "The old server is back" in said
    assert "Traceback" not in said
    old.server.machine.write(rules, before)
    _still_serves(old)


def test_killed_while_the_files_change_it_goes_on(old: Old) -> None:
    argv = ["sh", "-c", 'exec "$@" >/root/adopt.log 2>&1', "sh", old.program, *ADOPT, "--yes"]
    main_cf = old.server.machine.root / "etc/postfix/main.cf"
    was = main_cf.read_bytes()
    started = old.server.machine.start(argv)
    until(lambda: main_cf.read_bytes() != was, 900, "the files to change", pause=0.01)
    started.kill_all()
    # Half of it is the old server, half the new: mail waits with its senders at worst, and is refused to nobody.
    message, refusal = letter(), ""
    try:
        old.server.send(message)
        old.notes["taken between"] = str(message["Subject"])
    except (smtplib.SMTPException, OSError) as error:
        refusal = str(error)
    assert not re.search(r"\(5\d\d,", refusal), refusal


def test_it_becomes_a_posthouse_server(old: Old) -> None:
    """With a session open, which sees all that it saw before, or is cut."""
    with old.server.imap(f"user@{DOMAIN}", PASSWORD, "INBOX") as session:
        before = session.search()
        old.adopt("--yes")
        with suppress(IMAPClientError, OSError):
            assert set(before) <= set(session.search())
    assert "rspamd" in old.server.run("systemctl is-active rspamd && echo rspamd").stdout
    for unit in ("opendkim", "spamd"):
        assert old.server.run(["systemctl", "is-active", unit], check=False).stdout.strip() == "inactive"


def test_every_mail_flag_uid_and_subscription_is_kept(old: Old) -> None:
    for address, before in old.photographs.items():
        folders, subscribed = before  # type: ignore[misc]
        now, subscribed_now = mail.photograph(old.server, address)
        for name, folder in folders.items():
            assert now[name].uidvalidity == folder.uidvalidity, name
            assert now[name].uidnext >= folder.uidnext, name
            assert folder.messages.items() <= now[name].messages.items(), name
        assert subscribed <= subscribed_now


@pytest.mark.parametrize("login", LOGINS, ids=lambda login: login.scheme + "" * login.marked)
def test_every_login_is_as_before(old: Old, login: object) -> None:
    address, password = login.address, login.password  # type: ignore[attr-defined]
    with old.server.imap(address, password):
        pass
    with old.server.smtp(587, address, password):
        pass
    if login.scheme == "CRAM-MD5":  # type: ignore[attr-defined]
        with old.server.smtp(465) as client:
            client.ehlo()
            assert cram(client, address, password) == 235
    with pytest.raises(smtplib.SMTPAuthenticationError), old.server.smtp(587, address, "wrong"):
        pass


def test_queued_mail_keeps_its_id_and_is_delivered(old: Old) -> None:
    (to_us, its_id), (_, away_id) = old.waiting.items()
    old.server.run(["postqueue", "-f"])
    for user in ("user", "user2"):
        address = f"{user}@{DOMAIN}"
        old.server.find(to_us, address, password=mail.PASSWORDS[address])
    assert f"{its_id}:" in _log(old.server)
    for subject in old.notes.values():
        old.server.find(subject, password=PASSWORD)
    assert any(away_id in line for line in old.server.queue())


def test_aliases_senders_and_the_extra_port_work(old: Old) -> None:
    for alias, owner in (("kim", "user"), ("sales", "user2"), ("team", "user2")):
        address = f"{owner}@{DOMAIN}"
        subject = old.server.send_again(letter(to=f"{alias}@{DOMAIN}"))
        old.server.find(subject, address, password=mail.PASSWORDS[address])
    message = letter(sender=f"kim@{DOMAIN}", to=f"user2@{DOMAIN}")
    with old.server.smtp(2525) as client:
        client.starttls(context=_unverified())
        client.login(f"user@{DOMAIN}", PASSWORD)
        client.send_message(message)
        with pytest.raises(smtplib.SMTPException):
            client.send_message(letter(sender=f"user2@{DOMAIN}", to=f"user@{DOMAIN}"))
    found = old.server.find(message["Subject"], f"user2@{DOMAIN}", password=mail.PASSWORDS[f"user2@{DOMAIN}"])
    assert "s=202611" in str(found["DKIM-Signature"])


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _serial(server: Server) -> str:
    return server.run(
        "openssl s_client -connect 127.0.0.1:993 </dev/null 2>/dev/null | openssl x509 -noout -serial"
    ).stdout


def test_the_certificate_is_certbots_and_a_renewal_is_served(old: Old) -> None:
    run = old.server.run
    first = _serial(old.server)
    assert first == run("openssl x509 -noout -serial -in /etc/letsencrypt/live/snorl.ax/cert.pem").stdout
    run("/root/certificate.sh 2")
    run("RENEWED_LINEAGE=/etc/letsencrypt/live/snorl.ax /etc/letsencrypt/renewal-hooks/deploy/posthouse")
    awaited(lambda: _serial(old.server) not in ("", first), "the renewed certificate")


def test_rollback_0_brings_the_old_server_back_with_the_mail_of_between(old: Old) -> None:
    between = old.server.send_again(letter())
    old.server.find(between, password=PASSWORD)
    before = {address: mail.photograph(old.server, address) for address in mail.PASSWORDS}
    old.server.posthouse("rollback", "0", "--yes")
    assert _files(old.server) == old.files
    for unit in ("opendkim", "spamd", "dovecot", "postfix"):
        assert old.server.run(["systemctl", "is-active", unit]).stdout.strip() == "active"
    for address, (folders, _) in before.items():
        now, _ = mail.photograph(old.server, address)
        for name, folder in folders.items():
            assert now[name].uidvalidity == folder.uidvalidity, name
            assert folder.messages.items() <= now[name].messages.items(), name
    old.server.find(old.server.send_again(letter()), password=PASSWORD)
    assert any(list(old.waiting.values())[1] in line for line in old.server.queue())


@pytest.mark.full
def test_and_forward_again(old: Old) -> None:
    old.adopt("--yes")
    old.server.find(old.server.send_again(letter()), password=PASSWORD)
    assert any(list(old.waiting.values())[1] in line for line in old.server.queue())


@pytest.mark.full
def test_a_purge_gives_the_old_server_back(old: Old) -> None:
    between = old.server.send_again(letter())
    old.server.find(between, password=PASSWORD)
    old.server.posthouse("down", "--purge", "--yes")
    assert old.server.run("command -v posthouse", check=False).returncode != 0
    assert old.server.run("ls -d /etc/posthouse /opt/posthouse", check=False).stdout == ""
    for unit in ("opendkim", "spamd", "dovecot", "postfix"):
        assert old.server.run(["systemctl", "is-active", unit]).stdout.strip() == "active"
    _still_serves(old)
    old.server.find(between, password=PASSWORD)
