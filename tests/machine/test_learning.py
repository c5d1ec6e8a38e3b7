"""Moves into and out of Junk teach the filter, which says what it learned and why it judged."""

from __future__ import annotations

import json
import random
import uuid
from email.message import EmailMessage

import pytest
from tests.machine.server import DOMAIN, PASSWORD, USER, Server, awaited, letter, unique
from tests.machine.test_mail import spam

pytestmark = [pytest.mark.machine, pytest.mark.grounds("13-supervisor-clean", "12-systemd-clean")]


def wordy(to: str = USER) -> EmailMessage:
    """A message that something can be learned from, like no other."""
    dice = random.Random(uuid.uuid4().hex)
    text = " ".join("".join(dice.choices("abcdefghijklmnop", k=6)) for _ in range(40))
    return letter(to=to, text=text + "\n")


def learned(server: Server) -> tuple[int, int]:
    """What `spam status` says was learned: spam, ham."""
    found = json.loads(server.posthouse("spam", "status", "--json").stdout)
    return found["spam"], found["ham"]


def moved(server: Server, subject: str, source: str, target: str, how: str = "move") -> None:
    """Move a message as a client does: by MOVE, or by COPY and EXPUNGE."""
    with server.imap(folder=source) as client:
        found = client.search(["SUBJECT", subject])
        assert found
        if how == "move":
            client.move(found, target)
        else:
            client.copy(found, target)
            client.delete_messages(found)
            client.uid_expunge(found)
    assert server.count(subject, folder=target) == 1
    assert server.count(subject, folder=source) == 0


def stored(server: Server, message: EmailMessage, folder: str, user: str = USER) -> str:
    """Put a message into a folder, as an import would; that teaches nothing."""
    with server.imap(user) as client:
        client.append(folder, message.as_bytes())
    return str(message["Subject"])


@pytest.mark.both_chains("full")
@pytest.mark.parametrize("how", ["move", "copy"])
def test_moves_teach(server: Server, how: str) -> None:
    spam_before, ham_before = learned(server)
    subject = stored(server, wordy(), "INBOX")
    moved(server, subject, "INBOX", "Junk", how)
    assert learned(server) == (spam_before + 1, ham_before)
    moved(server, subject, "Junk", "INBOX", how)
    assert learned(server) == (spam_before, ham_before + 1)
    said = server.posthouse("spam", "status").stdout
    assert f"{spam_before} of 200 spam and {ham_before + 1} of 200 ham needed" in said


@pytest.mark.both_chains("full")
def test_what_is_thrown_away_teaches_nothing(server: Server) -> None:
    before = learned(server)
    subject = stored(server, wordy(), "Junk")
    moved(server, subject, "Junk", "Trash")
    moved(server, subject, "Trash", "Junk")
    moved(server, subject, "Junk", "Trash", "copy")
    assert learned(server) == before


def test_a_dead_filter_does_not_stop_a_move(server: Server) -> None:
    before = learned(server)
    subject = stored(server, wordy(), "INBOX")
    with server.stopped("rspamd", "rspamd.service"):
        moved(server, subject, "INBOX", "Junk")
    assert learned(server) == before
    # What was missed is caught up with.
    teach = ["spam", "learn", "spam", USER, "Junk"]
    awaited(lambda: server.posthouse(*teach, check=False).returncode == 0, "the filter to learn again")
    assert learned(server)[0] > before[0]


@pytest.mark.grounds("13-supervisor-clean")
def test_a_silent_filter_is_left_alone(server: Server) -> None:
    subjects = [stored(server, wordy(), "INBOX") for _ in range(6)]
    before = learned(server)
    pids = " ".join(map(str, server.pids("rspamd")))
    server.run(f"kill -STOP {pids}")
    try:
        with server.imap(folder="INBOX") as client:  # which waits for an answer for 60 seconds
            found = [client.search(["SUBJECT", subject])[0] for subject in subjects]
            client.move(found, "Junk")
        # Asked once, and not for each of them.
        assert server.run("ls /var/lib/posthouse/learning").stdout == "silent\n"
    finally:
        server.run(f"kill -CONT {pids}")
        server.run("rm -f /var/lib/posthouse/learning/silent")
    assert learned(server)[0] - before[0] <= 1
    for subject in subjects:
        assert server.count(subject, folder="Junk") == 1


def test_nobody_else_teaches(server: Server) -> None:
    socket = "/var/lib/posthouse/rspamd/controller.sock"
    for user in ("nobody", "vmail", "dovenull", "postfix"):
        asked = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"]
        answer = server.run([*asked, "rspamc", "-h", socket, "stat"], check=False)
        assert answer.returncode != 0, answer.stdout
    listening = server.run(["sh", "-c", "cat /proc/net/tcp /proc/net/tcp6"]).stdout
    assert not any(line.split()[1].endswith(":2C46") for line in listening.splitlines()[1:] if ":" in line)


def test_no_script_of_a_user_reaches_a_program(server: Server) -> None:
    """Sieve's `pipe` is for the scripts of /etc alone."""
    server.run(["mkdir", "-p", "/tmp/pipe"])
    server.machine.write(
        "/tmp/pipe/x.sieve", 'require ["vnd.dovecot.pipe", "copy"];\npipe :copy "learn-spam";\n'
    )
    server.run("chown -R vmail /tmp/pipe")
    put = ["doveadm", "sieve", "put", "-u", USER, "-a", "x"]
    refused = server.run([*put, "/tmp/pipe/x.sieve"], check=False)
    active = server.run(["doveadm", "sieve", "list", "-u", USER]).stdout
    assert refused.returncode != 0, refused.stdout
    assert "x" not in [line.split()[0] for line in active.splitlines() if line.split()]


def test_why_a_message_is_in_junk(server: Server) -> None:
    sent = spam(server, USER)
    subject = server.send(sent)
    found = server.find(subject, folder="Junk")
    by_id = server.posthouse("spam", "why", "--account", USER, str(sent["Message-ID"])).stdout
    assert "It was filed in Junk: 10" in by_id
    assert "the pattern that spam filters are tested with" in by_id
    assert "Without POSTHOUSE_GTUBE it would have come to INBOX." in by_id
    head = "".join(f"{name}: {value}\n" for name, value in found.items())
    by_stdin = server.posthouse("spam", "why", "-", "--json", input=head + "\nhi\n").stdout
    record = json.loads(by_stdin)
    assert record["junk"] is True
    assert max(record["rules"], key=lambda rule: rule["points"])["name"] == "POSTHOUSE_GTUBE"


def test_why_a_message_is_not(server: Server) -> None:
    sent = letter()
    server.arrives(sent)
    said = server.posthouse("spam", "why", "--account", USER, str(sent["Message-ID"])).stdout
    assert "not taken for spam" in said
    assert "more points would have made it spam" in said


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["why", "/nowhere/at-all"], "no such file"),
        (["why", "--account", USER, "<nothing@like.this>"], "no message with this Message-ID"),
        (["why", "/etc/hostname"], "wrote nothing"),
        (["learn", "ham", USER, "No such folder"], "has no folder"),
        (["learn", "ham", f"nobody-here@{DOMAIN}", "INBOX"], "nobody-here"),
    ],
)
def test_what_cannot_be_said_is_said_plainly(server: Server, argv: list[str], said: str) -> None:
    answer = server.posthouse("spam", *argv, check=False)
    assert answer.returncode in (1, 2)
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.grounds("12-systemd-clean")
def test_a_whole_folder_is_learned_once(server: Server) -> None:
    user = f"learner-{unique()}@{DOMAIN}"
    server.posthouse("user", "add", user, "--password-stdin", input=PASSWORD + "\n")

    def teach(kind: str, *more: str) -> dict[str, int]:
        answer = server.posthouse("spam", "learn", kind, user, "Archive", "--json", *more)
        return dict(json.loads(answer.stdout))

    none = {"there": 0, "learned": 0, "known": 0, "short": 0, "refused": 0}
    assert teach("ham") == none
    spam_before, ham_before = learned(server)
    for _ in range(4):
        stored(server, wordy(), "Archive", user)
    stored(server, letter(text="hi\n"), "Archive", user)
    assert teach("ham") == {**none, "there": 5, "learned": 4, "short": 1}
    assert learned(server) == (spam_before, ham_before + 4)
    assert teach("ham") == {**none, "there": 5, "known": 5}
    stored(server, wordy(), "Archive", user)
    assert teach("ham") == {**none, "there": 6, "known": 5, "learned": 1}
    # The filter knows it as well.
    assert teach("ham", "--again") == {**none, "there": 6, "known": 5, "short": 1}
    # One that was wrong is taken back.
    assert teach("spam") == {**none, "there": 6, "learned": 5, "short": 1}
    awaited(lambda: learned(server) == (spam_before + 5, ham_before), "what was wrong to be taken back")


@pytest.mark.full
@pytest.mark.classic
def test_spamassassin_learns_a_folder_and_says_why(server: Server) -> None:
    """It learns from short ones too, and knows by itself what it was taught."""
    user = f"learner-{unique()}@{DOMAIN}"
    server.posthouse("user", "add", user, "--password-stdin", input=PASSWORD + "\n")

    def teach(kind: str, *more: str) -> dict[str, int]:
        answer = server.posthouse("spam", "learn", kind, user, "Archive", "--json", *more)
        return dict(json.loads(answer.stdout))

    spam_before, ham_before = learned(server)
    for _ in range(4):
        stored(server, wordy(), "Archive", user)
    one = {"there": 4, "learned": 0, "known": 0, "short": 0, "refused": 0}
    assert teach("ham") == {**one, "learned": 4}
    assert learned(server) == (spam_before, ham_before + 4)
    assert teach("ham") == {**one, "known": 4}
    assert teach("ham", "--again") == {**one, "known": 4}
    assert teach("spam") == {**one, "learned": 4}
    assert learned(server) == (spam_before + 4, ham_before)

    sent = spam(server, USER)
    server.find(server.send(sent), folder="Junk")
    said = server.posthouse("spam", "why", "--account", USER, str(sent["Message-ID"])).stdout
    assert "It was filed in Junk: 100" in said
    assert "Without GTUBE it would have come to INBOX." in said
