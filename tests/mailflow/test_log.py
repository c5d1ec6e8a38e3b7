"""Lines as the daemons of Debian 12 and 13 wrote them, read as events."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse import paths
from posthouse.mailflow import log
from posthouse.mailflow.log import Delivery, Line, Login, Refusal
from posthouse.site.release import Ground


def postfix(text: str) -> object:
    return log.event(Line(0.0, "postfix", "smtpd", text))


def dovecot(text: str) -> object:
    return log.event(Line(0.0, "dovecot", "imap-login", text))


def test_a_delivery() -> None:
    found = postfix(
        "7B92A222358: to=<user@snorl.ax>, orig_to=<kim@snorl.ax>, relay=mail.snorl.ax[private/dovecot-lmtp], "
        "delay=0.04, delays=0.03/0/0/0.01, dsn=2.0.0, status=sent (250 2.0.0 <user@snorl.ax> x Saved)"
    )
    assert isinstance(found, Delivery)
    assert (found.queue_id, found.recipient, found.status) == ("7B92A222358", "user@snorl.ax", "sent")
    assert found.dsn == "2.0.0"
    assert found.said.endswith("Saved")


@pytest.mark.parametrize(
    ("text", "queue_id", "stage"),
    [
        (
            "NOQUEUE: reject: RCPT from localhost[127.0.0.1]: 554 5.7.1 <a@b.invalid>: Relay access denied; "
            "from=<x@y.invalid> to=<a@b.invalid> proto=ESMTP helo=<probe.invalid>",
            "",
            "RCPT",
        ),
        (
            "6541E222358: milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 Unix user "
            "www-data may not send as <user@snorl.ax> (From: header).; from=<w@snorl.ax> to=<user@snorl.ax>",
            "6541E222358",
            "END-OF-MESSAGE",
        ),
    ],
)
def test_a_refusal(text: str, queue_id: str, stage: str) -> None:
    found = postfix(text)
    assert isinstance(found, Refusal)
    assert (found.queue_id, found.stage, found.client) == (queue_id, stage, "localhost[127.0.0.1]")


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("Login: user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.13, lip=198.18.1.15, mpid=220, TLS", True),
        ("Info: Login: user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.13, lip=198.18.1.15, mpid=220", True),
        ("Logged in: user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.13, lip=198.18.1.15, mpid=5242", True),
        ("Info: Logged in: user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.13, lip=198.18.1.21", True),
        (
            "Disconnected: Aborted login by logging out (auth failed, 1 attempts in 2 secs): "
            "user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.13, lip=127.0.0.1, TLS, session=<M>",
            False,
        ),
        (
            "Login aborted: Logged out (auth failed, 1 attempts in 2 secs) (auth_failed): "
            "user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.13, lip=127.0.0.1, TLS, session=<d>",
            False,
        ),
    ],
)
def test_a_login_by_imap(text: str, ok: bool) -> None:
    found = dovecot(text)
    assert isinstance(found, Login)
    assert (found.ok, found.user, found.address) == (ok, "user@snorl.ax", "198.18.1.13")


def test_a_failed_login_by_smtp() -> None:
    found = postfix(
        "warning: localhost[127.0.0.1]: SASL LOGIN authentication failed: (reason unavailable), "
        "sasl_username=user@snorl.ax"
    )
    assert isinstance(found, Login)
    assert (found.ok, found.address) == (False, "127.0.0.1")


def test_the_files_of_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LOG", tmp_path)
    now, old = (time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - age)) for age in (1, 7200))
    (tmp_path / "postfix.log").write_text(
        f"{old} mail postfix/local/cleanup[1]: 7B92A222358: message-id=<old@snorl.ax>\n"
        f"{now} mail postfix/local/cleanup[1]: 7B92A222358: message-id=<a@snorl.ax>\nnonsense\n"
    )
    (tmp_path / "dovecot.log").write_bytes(
        f"{now} lmtp(user@snorl.ax)<400><IAZv>: Info: sieve: stored\n".encode()
        + f"{now} imap-login: Info: Login: user=<u@s.ax>, method=PLAIN, rip=1.2.3.4, lip=5\xff\n".encode(
            "latin-1"
        )
    )
    ground = Ground("supervisor")
    found = list(log.lines(ground, 3600))
    assert [(line.service, line.process) for line in found] == [
        ("postfix", "cleanup"),
        ("dovecot", "lmtp"),
        ("dovecot", "imap-login"),
    ]
    assert [line.text for line in log.about(ground, "7B92A222358")] == [
        "7B92A222358: message-id=<a@snorl.ax>"
    ]
    assert [type(event) for event in log.events(ground, 3600)] == [Login]


def test_an_entry_of_the_journal() -> None:
    entry = {"__REALTIME_TIMESTAMP": "1795375572135947", "_SYSTEMD_UNIT": "dovecot.service"}
    line = log._journal_line(json.dumps(entry | {"MESSAGE": "lmtp(u@s.ax)<5><x>: sieve: stored"}))
    assert line == Line(1795375572.135947, "dovecot", "lmtp", "sieve: stored", "(u@s.ax)")
    entry |= {"_SYSTEMD_UNIT": "postfix@-.service", "SYSLOG_IDENTIFIER": "postfix/submissions/smtpd"}
    line = log._journal_line(json.dumps(entry | {"MESSAGE": list(b"caf\xe9")}))
    assert line is not None
    assert (line.service, line.process, line.text) == ("postfix", "smtpd", "caf\ufffd")


@given(st.text(max_size=200))
def test_no_line_breaks_it(text: str) -> None:
    for service in ("postfix", "dovecot", "rspamd"):
        log.event(Line(0.0, service, "imap-login", text))
    log._journal_line(text)
