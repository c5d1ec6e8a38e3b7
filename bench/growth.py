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
_PATIENCE = 60.0  # seconds


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
    with Imap(server.net, server.machine, user) as watching:
        found["delivery of one more, until a session sees it"] = _delivered(server, watching, user)
    return found


def _delivered(server: Server, watching: Imap, user: str) -> float:
    """Median seconds of a delivery by Dovecot's LMTP, without what comes before it, until a session sees it."""
    message = _letter(1, user, b"one more\r\n").replace(b"\r\n", b"\n").decode()
    server.machine.write("/root/one-more", message)
    deliver = (
        "import smtplib, sys\n"
        "client = smtplib.LMTP('/var/spool/postfix/private/dovecot-lmtp')\n"
        f"client.sendmail('ann@sender.example', ['{user}'], open('/root/one-more').read())\n"
        "sys.stdout.write(str(__import__('time').time()))\n"
    )
    seconds = []
    for _ in range(RUNS):
        before = watching.count()
        code = "import time; print(time.time())\n" + deliver
        begin, _ = server.run(["/usr/bin/python3", "-c", code]).stdout.split("\n")
        while watching.count() <= before:
            if time.time() > float(begin) + _PATIENCE:
                raise RuntimeError(f"a message for {user} did not arrive")
        seconds.append(time.time() - float(begin))
    return statistics.median(seconds)
