"""Mail of the machine's own programs: whose name it carries."""

from __future__ import annotations

import pytest
from tests.machine.server import DOMAIN, HOST, USER, Server, unique

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]


def new_user(server: Server) -> str:
    name = f"u{unique()}"
    server.run(["useradd", "-m", name])
    return name


def sendmail(server: Server, user: str, text: str, *args: str) -> None:
    server.machine.run(["/usr/sbin/sendmail", *args, USER], input=text, user=user)


def test_a_program_that_takes_the_host_for_the_domain_is_corrected(server: Server) -> None:
    user, subject = new_user(server), unique()
    sendmail(server, user, f"From: {user}@{HOST}\nSubject: {subject}\n\nx\n", "-f", f"{user}@{HOST}")
    message = server.find(subject)
    assert message["From"].addresses[0].addr_spec == f"{user}@{DOMAIN}"
    assert message["Return-Path"] == f"<{user}@{DOMAIN}>"
    assert f"d={DOMAIN}" in message["DKIM-Signature"]


def test_a_name_alone_gets_the_mail_domain(server: Server) -> None:
    user, subject = new_user(server), unique()
    sendmail(server, user, f"From: {user} (Cron Daemon)\nTo: root\nSubject: {subject}\n\nx\n")
    assert server.find(subject)["From"].addresses[0].addr_spec == f"{user}@{DOMAIN}"
