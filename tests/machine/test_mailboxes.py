"""What mail programs ask of a mailbox, each extension of IMAP really used, in both formats; POP3; vacation."""

from __future__ import annotations

import imaplib
import poplib
import re
from collections.abc import Iterator

import pytest
from tests.machine.imap import Imap, imap
from tests.machine.server import DOMAIN, PASSWORD, STRANGER, Server, awaited, letter, trusting, unique

pytestmark = [pytest.mark.machine, pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")]


@pytest.fixture(params=["maildir", "mdbox"])
def user(server: Server, request: pytest.FixtureRequest) -> str:
    """An account of its own in each format, with three messages, the last an answer to the first."""
    address = f"box-{unique()}@{DOMAIN}"
    add = ["user", "add", address, "--password-stdin", "--format", request.param]
    server.posthouse(*add, input=PASSWORD + "\n")
    first = letter(to=address, subject="banana", text="x" * 3000 + "\n")
    with imap(server, address) as session:
        session.append("INBOX", first.as_bytes())
        session.append("INBOX", letter(to=address, subject="apple").as_bytes())
        answer = letter(to=address, subject="Re: banana", In_Reply_To=first["Message-ID"])
        session.append("INBOX", answer.as_bytes())
    return address


@pytest.fixture
def session(server: Server, user: str) -> Iterator[Imap]:
    """A session in INBOX."""
    with imap(server, user, "INBOX") as session:
        yield session


def test_one_session_uses_every_extension(server: Server, user: str, session: Imap) -> None:
    # SPECIAL-USE (RFC 6154)
    listed = session.say('LIST (SPECIAL-USE) "" "*"').text
    for use in ("Drafts", "Sent", "Junk", "Trash", "Archive"):
        assert re.search(rf"\\{use}\b.*{use}", listed), listed
    # SORT and THREAD (RFC 5256, 5957)
    assert session.say("UID SORT (SUBJECT) UTF-8 ALL").find(r"\* SORT 2 1 3")
    assert session.say("UID SORT (REVERSE SUBJECT) UTF-8 ALL").find(r"\* SORT 1 3 2")
    assert session.say("UID SORT (SIZE) UTF-8 ALL").find(r"\* SORT \d \d 1\b")
    assert session.say("UID SORT (DISPLAYFROM) UTF-8 ALL").find(r"\* SORT 1 2 3")
    for kind in ("REFERENCES", "REFS"):
        assert session.say(f"UID THREAD {kind} UTF-8 ALL").find(r"\* THREAD .*\(1 3\)")
    # ESEARCH, SEARCHRES (RFC 4731, 5182)
    assert session.say("UID SEARCH RETURN (MIN MAX COUNT) ALL").find(r"MIN 1 MAX 3 COUNT 3")
    session.say('UID SEARCH RETURN (SAVE) SUBJECT "apple"')
    assert session.say("UID FETCH $ (ENVELOPE)").find(r'FETCH \(UID 2 .*"apple"')
    # CONDSTORE (RFC 7162): a change that another made meanwhile is not overwritten.
    modseq = int(session.say("SELECT INBOX (CONDSTORE)").find(r"HIGHESTMODSEQ (\d+)")[1])
    with imap(server, user, "INBOX") as other:
        other.say("UID STORE 1 +FLAGS (\\Flagged)")
    refused = session.say(f"UID STORE 1 (UNCHANGEDSINCE {modseq}) FLAGS (\\Answered)")
    assert refused.find(r"MODIFIED 1")
    changed = session.say(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})")
    assert re.findall(r"UID (\d+)", changed.text) == ["1"]
    assert "\\Flagged" in changed.text
    # MOVE (RFC 6851)
    moved = session.say("UID MOVE 2 Archive")
    assert moved.find(r"COPYUID \d+ 2 1\]")
    assert moved.find(r"\* 2 EXPUNGE")


def test_quota_is_told(server: Server, user: str) -> None:
    """RFC 9208."""
    server.posthouse("user", "change", user, "--quota", "10M")
    with imap(server, user, "INBOX") as session:
        used, limit = session.say("GETQUOTAROOT INBOX").find(r"STORAGE (\d+) (\d+)").groups()
    assert 3 <= int(used) <= 20  # KiB
    assert int(limit) == 10 * 1024


def test_a_session_is_taken_up_again(server: Server, user: str) -> None:
    """QRESYNC (RFC 7162): what happened meanwhile is told at SELECT, removals too."""
    with imap(server, user) as session:
        session.say("ENABLE QRESYNC")
        opened = session.say("SELECT INBOX")
        validity, modseq = opened.find(r"UIDVALIDITY (\d+)")[1], opened.find(r"HIGHESTMODSEQ (\d+)")[1]
    with imap(server, user, "INBOX") as other:
        other.say("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
        other.say("UID EXPUNGE 2")
        other.say("UID STORE 3 +FLAGS (\\Seen)")
    with imap(server, user) as session:
        session.say("ENABLE QRESYNC")
        again = session.say(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    assert again.find(r"\* VANISHED \(EARLIER\) 2\b")
    assert re.findall(r"FETCH \(UID (\d+)", again.text) == ["3"]


def test_new_mail_is_told_at_once(server: Server, user: str, session: Imap) -> None:
    """IDLE (RFC 2177), and of all folders NOTIFY (RFC 5465)."""
    session.write("i IDLE\r\n")
    session.awaited(r"^\+ ")
    server.send(letter(to=user))
    session.awaited(r"^\* 4 EXISTS")
    session.write("DONE\r\n")
    session.awaited("^i OK")
    session.say("NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    with imap(server, user) as other:
        other.append("Archive", letter(to=user).as_bytes())
        session.awaited(r"^\* STATUS Archive .*MESSAGES 1")


def test_what_is_compressed_is_the_same(session: Imap) -> None:
    """COMPRESS (RFC 4978)."""
    plain = session.say("UID FETCH 1 BODY.PEEK[]")
    before = session.received
    session.compress()
    packed = session.say("UID FETCH 1 BODY.PEEK[]")
    assert packed.lines == plain.lines
    assert session.received - before < len(b"".join(plain.lines)) / 2


def pop3(server: Server, user: str) -> poplib.POP3_SSL:
    with server.net.inside():
        client = poplib.POP3_SSL(server.address, 995, timeout=60, context=trusting())
    client.user(user)
    client.pass_(PASSWORD)
    return client


def test_pop3(server: Server, user: str) -> None:
    """RFC 1939: numbers that stay, whole messages, their beginnings, removal at QUIT and not before."""
    first = pop3(server, user)
    numbers = [line.split()[1] for line in first.uidl()[1]]
    assert len(set(numbers)) == 3
    whole = first.retr(1)[1]
    assert b"Subject: banana" in whole
    assert b"x" * 70 in b"".join(whole)
    top = first.top(1, 0)[1]
    assert b"Subject: banana" in top
    assert b"xxxx" not in b"".join(top)
    first.dele(2)
    first.close()  # without QUIT: nothing was removed
    second = pop3(server, user)
    assert [line.split()[1] for line in second.uidl()[1]] == numbers
    second.dele(2)
    second.quit()
    third = pop3(server, user)
    assert [line.split()[1] for line in third.uidl()[1]] == [numbers[0], numbers[2]]
    third.quit()
    with imap(server, user, "INBOX") as session:
        assert session.say("UID SEARCH ALL").find(r"\* SEARCH 1 3")


def test_pop3_and_imap_are_one_mailbox(server: Server, user: str) -> None:
    """A message that came between is the last one, and the numbers of the others stay."""
    client = pop3(server, user)
    numbers = [line.split()[1] for line in client.uidl()[1]]
    client.quit()
    server.find(server.send(letter(STRANGER, user)), user)
    client = pop3(server, user)
    assert [line.split()[1] for line in client.uidl()[1]][:3] == numbers
    assert len(client.list()[1]) == 4
    client.quit()


@pytest.mark.grounds("12-supervisor-policy", "12-systemd-clean")
def test_a_reload_ends_no_session_and_a_stop_leaves_none(server: Server) -> None:
    with server.imap() as session:
        server.run(["doveadm", "reload"])
        assert session.noop()
        with server.stopped("dovecot", "dovecot.service"):
            awaited(lambda: not server.pids("imap"), "the sessions to end")
            with pytest.raises((imaplib.IMAP4.abort, OSError)):
                session.noop()
    with server.imap() as session:
        session.noop()
