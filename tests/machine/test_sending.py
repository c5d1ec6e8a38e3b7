"""A stolen password, or a program that runs away, sends to hundreds, or spam: it is held, the postmaster is told once,
and nothing is lost."""

from __future__ import annotations

import json
import smtplib
from email.message import EmailMessage

import pytest
from tests.machine.server import (
    DOMAIN,
    PASSWORD,
    USER,
    Server,
    awaited,
    letter,
    trusting,
    unique,
)
from tests.machine.test_mail import spam

from posthouse.lab.internet import BlockList, Internet

pytestmark = pytest.mark.machine
on_13 = pytest.mark.grounds("13-systemd-policy")

BUSY = f"busy@{DOMAIN}"
MANY = 201  # recipients: one more than an account may write to for the first time in a day


def queue(server: Server, account: str = BUSY) -> list[dict[str, object]]:
    return list(json.loads(server.posthouse("queue", "list", "--account", account, "--json").stdout))


def burst(server: Server, tag: str) -> str:
    """A message to many; each recipient is the postmaster's mailbox in the end."""
    name = USER.partition("@")[0]
    return server.send(
        letter(BUSY, to=USER), to=[f"{name}+{tag}{n}@{DOMAIN}" for n in range(MANY)], port=587, user=BUSY
    )


def told(server: Server) -> int:
    return server.count(f"{BUSY} sends too much")


@on_13
def test_a_burst_is_held_and_told_once(server: Server) -> None:
    server.posthouse("user", "add", BUSY, "--password-stdin", input=PASSWORD + "\n")
    server.find(server.send(letter(BUSY, to=USER), port=587, user=BUSY))
    first, second = burst(server, "a"), burst(server, "b")
    held = queue(server)
    assert [(entry["queue"], entry["account"]) for entry in held] == [("hold", BUSY)] * 2
    assert {len(entry["recipients"]) for entry in held} == {MANY}  # type: ignore[arg-type]
    notice = server.find(f"{BUSY} sends too much").get_content()  # type: ignore[attr-defined]
    assert first in notice
    assert "new recipients in a day" in notice
    assert server.net.v4(1) in notice or "198.18." in notice

    # An honest letter goes on meanwhile.
    server.find(server.send(letter(BUSY, to=USER), port=587, user=BUSY))
    shown = {
        str(entry["queue_id"]): server.posthouse("queue", "show", str(entry["queue_id"])).stdout
        for entry in held
    }
    (bad,) = (queue_id for queue_id, text in shown.items() if second in text)
    said = json.loads(server.posthouse("queue", "delete", bad, "--yes", "--json").stdout)
    assert said == {"messages": 1}
    said = json.loads(server.posthouse("queue", "release", "--account", BUSY, "--json").stdout)
    assert said == {"messages": 1}
    server.find(first)
    awaited(lambda: all(entry["queue"] != "hold" for entry in queue(server)), "what was released")
    assert server.count(second) == 0
    # Dovecot takes so many copies for one mailbox by and by; the test need not wait for all of them.
    server.posthouse("queue", "delete", "--account", BUSY, "--yes")
    assert [entry["queue"] for entry in queue(server) if entry["queue"] == "hold"] == []

    # What was released did not count, and the counts outlast the agent.
    server.service("restart", "posthouse-agent", "posthouse-agent")
    server.find(server.send_again(letter(BUSY, to=USER), port=587, user=BUSY))
    assert told(server) == 1


@on_13
def test_what_is_no_queue_id_is_refused(server: Server) -> None:
    for words in (["delete", "ALL", "--yes"], ["release", "../../x"], ["show", "-v"], ["delete", "--yes"]):
        done = server.posthouse("queue", *words, check=False)
        assert done.returncode == 2, words
        assert "Traceback" not in done.stderr
    assert server.posthouse("queue", "show", "ABCDEF0123", check=False).returncode == 2
    for words in (["release", "ABCDEF0123"], ["delete", "ABCDEF0123", "--yes"]):
        done = server.posthouse("queue", *words, check=False)
        assert done.returncode == 1
        assert "1 of 1 is not" in done.stderr
    assert server.posthouse("queue", "list", "--account", "busy", check=False).returncode == 2


@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
def test_a_program_that_runs_away_is_held_and_told_once(server: Server) -> None:
    runaway, other = (f"u{unique()}" for _ in range(2))
    name = USER.partition("@")[0]
    for user in (runaway, other):
        server.run(["useradd", "-m", user])

    def write(user: str, to: list[str]) -> str:
        subject = unique()
        text = f"Subject: {subject}\n\nx\n"
        server.machine.run(["/usr/sbin/sendmail", *to], input=text, user=user)
        return subject

    def held() -> list[dict[str, object]]:
        return [one for one in queue(server, f"{runaway}@{DOMAIN}") if one["queue"] == "hold"]

    many = [f"{name}+{n}@{DOMAIN}" for n in range(301)]
    first = write(runaway, many)
    awaited(lambda: len(held()) == 1, "the first message to be held")
    notice = server.find(f"Unix user {runaway} sends too much").get_content()  # type: ignore[attr-defined]
    assert first in notice
    assert "300 recipients in an hour" in notice
    assert f"--account {runaway}@{DOMAIN}" in notice
    second = write(runaway, many)
    awaited(lambda: len(held()) == 2, "the second message to be held")
    server.find(write(runaway, [USER]))  # what is held does not count
    server.find(write(other, [USER]))
    assert server.count(f"Unix user {runaway} sends too much") == 1

    (one,) = (str(entry["queue_id"]) for entry in held() if first in shown(server, entry))
    said = json.loads(server.posthouse("queue", "release", one, "--json").stdout)
    assert said == {"messages": 1}
    server.find(first)
    server.posthouse("queue", "delete", "--account", f"{runaway}@{DOMAIN}", "--yes")
    assert server.count(second) == 0


def shown(server: Server, entry: dict[str, object]) -> str:
    return server.posthouse("queue", "show", str(entry["queue_id"])).stdout


@pytest.fixture
def listed(internet: Internet) -> BlockList:
    """The list of dial-up lines and of whoever else should not send mail to others."""
    return internet.blocklist("zen.spamhaus.org")


@pytest.mark.both_chains
@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
def test_submitted_spam_is_held_and_told_once(server: Server, internet: Internet, listed: BlockList) -> None:
    """From a dial-up line with a name and a HELO that no mail server has."""
    login = f"{unique()}@{DOMAIN}"
    server.posthouse("user", "add", login, "--password-stdin", input=PASSWORD + "\n")
    line = internet.host("dialup-198-19-0-1.dsl.example")
    listed.add(line.ipv4, answer="127.0.0.10")

    def submit(message: EmailMessage) -> str:
        with server.net.inside():
            client = smtplib.SMTP(server.address, 587, "[10.0.0.5]", 60, (line.ipv4, 0))
        client.starttls(context=trusting())
        client.login(login, PASSWORD)
        client.send_message(message, login, [USER])
        client.quit()
        return str(message["Subject"])

    honest = server.find(submit(letter(login, USER)))
    bad, forged = spam(server, USER), spam(server, USER)
    forged["X-Posthouse-Outgoing"] = "-100"
    for message in (bad, forged):
        message.replace_header("From", login)
        submit(message)
    held = queue(server, login)
    assert [(entry["queue"], entry["account"]) for entry in held] == [("hold", login)] * 2
    notice = server.find(f"{login} sends what looks like spam").get_content()  # type: ignore[attr-defined]
    assert "GTUBE" in notice
    assert line.ipv4 in notice
    assert str(bad["Subject"]) in notice
    for told_of_the_line in ("RBL", "SPF", "HELO", "DYN", "RCVD_IN", "RDNS", "DMARC"):
        assert told_of_the_line not in notice

    said = json.loads(server.posthouse("queue", "release", "--account", login, "--json").stdout)
    assert said == {"messages": 2}
    for message in (bad, forged):
        came = server.find(str(message["Subject"]))  # it is honest after all: to INBOX, as it was written
        for one in (honest, came):
            assert not [
                name for name in one if name.lower().startswith(("x-spam", "x-posthouse", "x-rspamd"))
            ]
        assert came.get_content().splitlines() == message.get_content().splitlines()  # type: ignore[attr-defined]
        assert came["DKIM-Signature"]
    assert server.count(f"{login} sends what looks like spam") == 1
