"""Mailboxes of 100 and of 50,000 messages, in both formats: what a mail program waits for, as ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from tests.machine.server import DOMAIN, PASSWORD, Server

from bench.imap import LIST, Imap
from bench.letters import Domain

Row = Callable[[str, str, str], None]
FEW, MANY, AT_ONCE, RUNS = 100, 50_000, 500, 7
_LMTP = """
import smtplib, statistics, sys, time
message = open('/root/one-more').read()
client, seconds = smtplib.LMTP('/var/spool/postfix/private/dovecot-lmtp'), []
client.ehlo()
for _ in range(int(sys.argv[2])):
    begin = time.perf_counter()
    client.sendmail('ann@sender.example', [sys.argv[1]], message)
    seconds.append(time.perf_counter() - begin)
client.quit()
print(statistics.median(seconds))
"""


def growth(server: Server, row: Row, many: int = MANY) -> None:
    """Tell the figures: seconds among few, among many, and their ratio."""
    letters = Domain(server.net.v4(1))
    body = letters.letter(0, "growth", f"somebody@{DOMAIN}")[-1200:]
    for form in ("maildir", "mdbox"):
        found = {}
        for name, size in (("few", FEW), ("many", many)):
            user = f"{form}-{name}@{DOMAIN}"
            add = ["user", "add", user, "--password-stdin", "--format", form]
            server.posthouse(*add, input=PASSWORD + "\n")
            begin = time.perf_counter()
            _fill(server, user, size, body)
            if size == many:
                row(
                    f"{form}: {many:,} messages put there by IMAP", f"{time.perf_counter() - begin:.0f} s", ""
                )
            found[name] = measured(server, user)
        for what, seconds in found["many"].items():
            before = found["few"][what]
            value = f"{seconds / before:.1f} ({before * 1000:.1f} and {seconds * 1000:.1f} ms)"
            row(f"{form}: {what}, among {many:,} by among {FEW}", value, "")


def _fill(server: Server, user: str, size: int, body: bytes) -> None:
    with Imap(server.net, server.machine, user) as session:
        for start in range(0, size, AT_ONCE):
            session.append(
                [_letter(number, user, body) for number in range(start, min(start + AT_ONCE, size))]
            )


def _letter(number: int, user: str, body: bytes) -> bytes:
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(1.7e9 + number * 7919 % 1e7))
    head = (
        f"From: Ann {number % 97} <ann{number % 97}@sender.example>\r\nTo: {user}\r\nSubject: about {number}\r\n"
        f"Date: {date}\r\nMessage-ID: <{number}.{user}>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    )
    return head.encode() + body


def measured(server: Server, user: str) -> dict[str, float]:
    """Median seconds of what a mail program does with INBOX; "first" is once, before anything is in the cache."""
    with Imap(server.net, server.machine, user) as session:
        last = session.count()

        def timed(command: str, runs: int = RUNS, before: str = "") -> float:
            seconds = []
            for _ in range(runs):
                if before:
                    session.say(before)
                begin = time.perf_counter()
                session.say(command)
                seconds.append(time.perf_counter() - begin)
            return statistics.median(seconds)

        found = {"SELECT": timed("SELECT INBOX", before="SELECT Drafts")}
        found["FETCH of 50 headers, the first"] = timed(f"FETCH {last - 49}:* {LIST}", 1)
        found["FETCH of 50 headers"] = timed(f"FETCH {last - 49}:* {LIST}")
        found["SEARCH of subjects, the first"] = timed(f"SEARCH SUBJECT {last - 7}", 1)
        found["SEARCH of subjects"] = timed(f"SEARCH SUBJECT {last - 7}")
        found["SORT by date, the first"] = timed("SORT (REVERSE DATE) UTF-8 ALL", 1)
        found["SORT by date"] = timed("SORT (REVERSE DATE) UTF-8 ALL")
    found["delivery of one more by LMTP"] = _delivered(server, user)
    return found


def _delivered(server: Server, user: str) -> float:
    """Median seconds of a delivery by Dovecot's LMTP, until it says that the message is on the disk."""
    server.machine.write("/root/one-more", _letter(1, user, b"one more\r\n").replace(b"\r\n", b"\n").decode())
    return float(server.run(["/usr/bin/python3", "-c", _LMTP, user, str(RUNS)]).stdout)
