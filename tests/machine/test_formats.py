"""A mailbox is carried from Maildir to mdbox and back while mail flows, killed at any moment; nothing else changes.

What is there is asked for by clients that nobody here wrote: imapclient and poplib.
"""

from __future__ import annotations

import hashlib
import json
import poplib
import random
import signal
import smtplib
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError
from tests.machine.ledger import Ledger
from tests.machine.server import DOMAIN, PASSWORD, Server, awaited, letter, trusting
from tests.machine.test_directory import have_sqlite3
from tests.machine.test_kills import stands_again
from tests.machine.test_mail import spam

pytestmark = pytest.mark.machine

SITE = "/etc/posthouse/posthouse.toml"
FOLDERS = ("INBOX", "Sent", "Lists.deep.er", "Entwürfe & Pläne", "unsubscribed")
FLAGS: tuple[tuple[str, ...], ...] = (
    (), ("\\Seen",), ("\\Seen", "\\Answered"), ("\\Flagged", "$Forwarded"), ("\\Draft", "Kw-1"), ("NonJunk", "late"),
)  # fmt: skip
CLOSE = """
import sys; from posthouse import directory; from posthouse.directory import accounts
directory.writing(lambda connection: accounts.set_closed(connection, sys.argv[1], True))
"""
OTHER = {"maildir": "mdbox", "mdbox": "maildir"}


@dataclass(frozen=True)
class Seen:
    """What clients see: of each folder UIDVALIDITY, UIDNEXT and its messages by UID; subscriptions; POP3's list."""

    folders: dict[str, tuple[int, int, dict[int, tuple[Any, ...]]]]
    subscribed: frozenset[str]
    uidl: tuple[bytes, ...]

    def held_by(self, later: Seen) -> None:
        """Assert that all of this is there later too, as it was; more may have come."""
        assert later.subscribed == self.subscribed
        assert later.folders.keys() == self.folders.keys()
        for name, (validity, following, messages) in self.folders.items():
            now = later.folders[name]
            assert now[0] == validity, name
            assert now[1] >= following, name
            assert {uid: now[2].get(uid) for uid in messages} == messages, name
        before = {line.split()[1] for line in self.uidl}
        assert before <= {line.split()[1] for line in later.uidl}


def account(server: Server, name: str, *options: str) -> str:
    """An account, made anew."""
    address = f"{name}@{DOMAIN}"
    server.posthouse("user", "remove", address, "--delete-mail", "--yes", check=False)
    server.posthouse("user", "add", address, "--password-stdin", *options, input=PASSWORD + "\n")
    return address


def format_of(server: Server, user: str) -> str:
    """The format that the directory has of an account."""
    return str(json.loads(server.posthouse("user", "show", user, "--json").stdout)["format"])


def fill(server: Server, user: str, number: int) -> None:
    """Put that many messages into the folders, with flags, keywords, dates, odd bytes, and gaps in the UIDs."""
    chance = random.Random(number)
    with server.imap(user) as client:
        for folder in FOLDERS:
            with suppress(IMAPClientError):  # INBOX and Sent are there
                client.create_folder(folder)
            (client.unsubscribe_folder if folder == "unsubscribed" else client.subscribe_folder)(folder)
        for i in range(number):
            folder = FOLDERS[i % len(FOLDERS)]
            text = b"\r\n".join(
                chance.randbytes(60).replace(b"\0", b"0").hex().encode() for _ in range(i % 40)
            )
            raw = (
                b"From: a@b.example\r\nSubject: =?utf-8?q?=C3=BC?= %d\r\n\r\n\xff\xfe\r\n.\r\n" % i
                + text
                + b"\r\n"
            )
            date = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=i)
            client.append(folder, raw, FLAGS[i % len(FLAGS)], date)
        for folder in FOLDERS:
            client.select_folder(folder)
            every = client.search()
            client.delete_messages(every[1::5])
            client.expunge()
            client.add_flags(client.search()[:2], ["\\Seen", "added"])


def seen(server: Server, user: str) -> Seen:
    """Look at everything."""
    folders = {}
    with server.imap(user) as client:
        for flags, _, name in client.list_folders():
            if b"\\Noselect" in flags or b"\\NonExistent" in flags:
                continue
            said = client.select_folder(name, readonly=True)
            messages = {}
            for uid, part in client.fetch(client.search(), ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]).items():
                flags = frozenset(part[b"FLAGS"]) - {b"\\Recent"}
                messages[uid] = (flags, part[b"INTERNALDATE"], hashlib.sha256(part[b"BODY[]"]).hexdigest())
            folders[name] = (said[b"UIDVALIDITY"], said[b"UIDNEXT"], messages)
        subscribed = frozenset(name for _, _, name in client.list_sub_folders())
    with server.net.inside():
        pop = poplib.POP3_SSL(server.address, context=trusting(), timeout=60)
    pop.user(user)
    pop.pass_(PASSWORD)
    uidl = tuple(pop.uidl()[1])
    pop.quit()
    return Seen(folders, subscribed, uidl)


@contextmanager
def mail_coming(server: Server, user: str, messages: int, seed: int) -> Iterator[Ledger]:
    """Mail comes in within the block and after it; afterwards every message is accounted for, none twice."""
    ledger = Ledger(server, [user], seed, largest=20_000, patience=30)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, messages, 2, until_taken=True, patience=300)
        awaited(lambda: ledger.taken, "the first message", 60)
        yield ledger
        sending.result()
    audit = ledger.audit(timeout=300)
    print(audit)
    assert not audit.wrong, str(audit)
    assert not audit.duplicates or ledger.cuts, str(audit)


def opens(server: Server, user: str) -> bool:
    """Whether a client gets in."""
    try:
        with server.imap(user, folder="INBOX"):
            return True
    except (IMAPClientError, OSError):
        return False


def ended(session: IMAPClient) -> bool:
    """Whether the server has sent a session away."""
    try:
        session.noop()
    except (IMAPClientError, OSError):
        return True
    return False


def convert(server: Server, user: str, to: str) -> None:
    """Convert to the end, and remove the old copy."""
    server.posthouse("mailbox", "convert", user, "--to", to, "--yes")
    assert format_of(server, user) == to
    server.posthouse("mailbox", "forget", user, "--yes")


def timed(server: Server, user: str) -> float:
    """Convert to the other format, and return the seconds that it takes: the span to kill the next ones in."""
    begun = time.monotonic()
    server.posthouse("mailbox", "convert", user, "--to", OTHER[format_of(server, user)], "--yes")
    taken = time.monotonic() - begun
    server.posthouse("mailbox", "forget", user, "--yes")
    return taken


def killed_at_random(server: Server, user: str, to: str, moment: float, kill: Callable[[Any], None]) -> bool:
    """Begin a conversion and kill it at this moment, in seconds; True where it was cut off."""
    running = server.machine.start(["posthouse", "mailbox", "convert", user, "--to", to, "--yes"])
    with suppress(subprocess.TimeoutExpired):
        running.popen.wait(moment)
    cut = running.poll() is None
    kill(running)
    with suppress(subprocess.TimeoutExpired):
        running.popen.wait(60)
    return cut


@pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")
def test_there_and_back_while_mail_arrives(server: Server) -> None:
    user = account(server, "conv")
    fill(server, user, 60)
    before = seen(server, user)
    with mail_coming(server, user, 40, seed=11), server.imap(user, folder="INBOX") as session:
        convert(server, user, "mdbox")
        awaited(lambda: ended(session), "the session to end")
        before.held_by(seen(server, user))
        convert(server, user, "maildir")
    before.held_by(seen(server, user))
    done = server.posthouse("mailbox", "convert", user, "--to", "maildir", "--yes")
    assert "already" in done.stderr
    for place in ("vhosts", "mdbox", "indexes"):
        mode = (server.machine.root / "var/mail" / place).stat().st_mode
        assert stat.S_IMODE(mode) == 0o700


def kill_and_say_again(server: Server, user: str, times: int, seed: int) -> None:
    """Kill conversions, to and fro; after each the mailbox answers, and what is said again comes to its end."""
    chance = random.Random(seed)
    before = seen(server, user)
    span = timed(server, user)
    cuts = 0
    for turn in range(times):
        to = OTHER[format_of(server, user)]
        ways = (lambda running: running.send_signal(signal.SIGKILL), lambda running: running.kill_all())
        cuts += killed_at_random(server, user, to, chance.uniform(0.1, 0.95) * span, ways[turn % 2])
        awaited(lambda: opens(server, user), "the mailbox to be open again", 60)
        before.held_by(seen(server, user))
        if format_of(server, user) != to:
            server.posthouse("mailbox", "convert", user, "--to", to, "--yes")
        before.held_by(seen(server, user))
        server.posthouse("mailbox", "forget", user, "--yes")
    assert cuts
    print(f"{cuts} of {times} conversions were cut off")


@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
def test_killed_at_random(server: Server) -> None:
    user = account(server, "killed")
    fill(server, user, 40)
    with mail_coming(server, user, 30, seed=12):
        kill_and_say_again(server, user, 3, seed=12)


@pytest.mark.full
def test_killed_at_random_many_times(server: Server) -> None:
    user = account(server, "killed")
    fill(server, user, 400)
    with mail_coming(server, user, 300, seed=13):
        kill_and_say_again(server, user, 20, seed=13)


@pytest.mark.full
def test_dovecot_killed_meanwhile(server: Server) -> None:
    user = account(server, "killed")
    fill(server, user, 200)
    before = seen(server, user)
    span = timed(server, user)
    chance = random.Random(14)

    def kill(_: object) -> None:
        for name in ("dovecot", "doveadm", "lmtp", "imap"):
            for pid in server.pids(name):
                server.run(["kill", "-9", str(pid)], check=False)

    ledger = Ledger(server, [user], 14, largest=20_000, patience=30)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, 60, 2, until_taken=True, patience=300)
        for _ in range(6):
            to = OTHER[format_of(server, user)]
            killed_at_random(server, user, to, chance.uniform(0.1, 0.95) * span, kill)
            stands_again(server)
            if format_of(server, user) != to:
                server.posthouse("mailbox", "convert", user, "--to", to, "--yes")
            server.posthouse("mailbox", "forget", user, "--yes")
        sending.result()
    before.held_by(seen(server, user))
    audit = ledger.audit(timeout=300)
    assert not audit.wrong, str(audit)  # a copy too many has a reply that was lost with the daemon


@pytest.mark.full
def test_the_power_goes_meanwhile(disked: Server) -> None:
    """After the boot the mailbox answers, though nobody says anything again; and then it is converted."""
    user = account(disked, "cut")
    fill(disked, user, 200)
    before = seen(disked, user)
    span = timed(disked, user)
    disked.run(["sync"])
    chance = random.Random(15)
    ledger = Ledger(disked, [user], 15, largest=20_000, patience=15)

    def cut(_: object) -> None:
        disked.machine.power_cut(lose_unsynced=True)
        disked.machine.boot()
        ledger.cuts += 1

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ledger.send, 80, 2, until_taken=True, patience=600)
        for _ in range(8):
            to = OTHER[format_of(disked, user)]
            killed_at_random(disked, user, to, chance.uniform(0.1, 0.95) * span, cut)
            stands_again(disked)
            before.held_by(seen(disked, user))
            if format_of(disked, user) != to:
                disked.posthouse("mailbox", "convert", user, "--to", to, "--yes")
            disked.posthouse("mailbox", "forget", user, "--yes")
        sending.result()
    before.held_by(seen(disked, user))
    audit = ledger.audit(timeout=300)
    print(audit)
    assert not audit.wrong, str(audit)


@pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")
def test_undo_and_what_is_in_the_way(server: Server) -> None:
    user = account(server, "undo")
    fill(server, user, 30)
    before = seen(server, user)
    store = server.machine.root / "var/mail"
    # As a kill leaves it, with the watcher killed as well: closed, marked, and with a draft.
    live, kept = (store / "vhosts" / DOMAIN / "mails" / name for name in ("undo", ".undo.kept"))
    live.rename(kept)
    server.run(["sh", "-c", f"mkdir -m 0 /var/mail/vhosts/{DOMAIN}/mails/undo"])
    server.run(["chown", "vmail:vmail", f"/var/mail/vhosts/{DOMAIN}/mails/undo"])
    server.run(
        f"mkdir -p /var/mail/mdbox/{DOMAIN}/mails/.undo.draft/x && chown -R vmail:vmail /var/mail/mdbox/*"
    )
    server.run(["install", "-d", "-m", "700", "/var/lib/posthouse/conversions"])
    server.machine.write(f"/var/lib/posthouse/conversions/{user}", '{"to": "mdbox"}')
    server.run(["/opt/posthouse/venv/bin/python", "-I", "-c", CLOSE, user])
    # Closed: mail is neither refused nor taken by the wrong place, and no session sees an empty mailbox.
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        server.send(letter(to=user))
    assert refusal.value.recipients[user][0] == 450
    with pytest.raises((IMAPClientError, OSError)), server.imap(user, folder="INBOX"):
        pass
    assert any(one["closed"] for one in json.loads(server.posthouse("mailbox", "list", "--json").stdout))
    server.service("restart", "dovecot", "dovecot.service")  # opens it
    awaited(lambda: opens(server, user), "the mailbox to be open again")
    before.held_by(seen(server, user))
    server.posthouse("mailbox", "convert", user, "--undo")
    assert json.loads(server.posthouse("mailbox", "list", "--json").stdout) == []
    # The old copy is never removed without being told.
    server.posthouse("mailbox", "convert", user, "--to", "mdbox", "--yes")
    server.posthouse("mailbox", "convert", user, "--to", "maildir", "--yes")
    refused = server.posthouse("mailbox", "convert", user, "--to", "mdbox", "--yes", check=False)
    assert refused.returncode == 2
    assert "forget" in refused.stderr
    before.held_by(seen(server, user))


@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
def test_new_accounts_in_mdbox(server: Server) -> None:
    user = account(server, "boxed", "--format", "mdbox")
    server.arrives(letter(to=user), user)
    junk = spam(server, user)
    server.send(junk)
    server.find(str(junk["Subject"]), user, folder="Junk")
    fill(server, user, 10)
    assert len(seen(server, user).uidl) > 1
    server.posthouse("user", "change", user, "--quota", "500")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        server.send(letter(to=user))
    assert refusal.value.recipients[user][0] == 552
    server.posthouse("user", "change", user, "--quota", "0")
    # What is deleted gives its room back.
    subject = server.send(letter(to=user, text="x" * 70 + "\n"))
    server.find(subject, user)
    box = f"/var/mail/mdbox/{DOMAIN}/mails/boxed/storage"
    assert server.run(f"grep -rlq {subject} {box}", check=False).returncode == 0
    with server.imap(user, folder="INBOX") as client:
        client.delete_messages(client.search(["SUBJECT", subject]))
        client.expunge()
    server.posthouse("mailbox", "purge")
    assert server.run(f"grep -rlq {subject} {box}", check=False).returncode == 1


@pytest.mark.grounds("12-systemd-clean")
def test_the_site_s_default_is_for_new_accounts_only(server: Server) -> None:
    old = account(server, "older")
    fill(server, old, 10)
    before = seen(server, old)
    site = server.machine.read(SITE)
    server.machine.write(SITE, site + '\n[mail]\nformat = "mdbox"\n')
    try:
        server.posthouse("apply", "--yes")
        new = account(server, "newer")
        assert (format_of(server, old), format_of(server, new)) == ("maildir", "mdbox")
        before.held_by(seen(server, old))
        server.arrives(letter(to=new), new)
        have_sqlite3(server)
        sql = f"INSERT INTO users (userid) VALUES ('plain@{DOMAIN}')"
        server.run(["sqlite3", "/var/lib/posthouse/directory/mails.sqlite", sql])
        assert format_of(server, f"plain@{DOMAIN}") == "maildir"
        refused = server.run(
            ["sqlite3", "/var/lib/posthouse/directory/mails.sqlite",
             f"UPDATE users SET format = 'mdbox' WHERE userid = '{old}'"], check=False,
        )  # fmt: skip
        assert "posthouse mailbox convert" in refused.stderr
    finally:
        server.machine.write(SITE, site)
        server.posthouse("apply", "--yes")
    assert format_of(server, new) == "mdbox"
    server.arrives(letter(to=new), new)
