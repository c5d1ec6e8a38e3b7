"""A ledger of messages: what a sender outside was told of each, and where each is afterwards.

Every message has a number, in its envelope sender and in a header, and the digest of its body. The sender notes
each reply; the audit looks into every mailbox (by IMAP) and the queue, and compares. Nothing that got its 250
may be missing, nothing may have another body, and every copy too many needs a reply that was lost: one that this
sender never got; one that smtpd never got, because cleanup died when the queue file was whole (the log tells with
which message it died, and the sender is told "queue file write error"); or one that Postfix never noted (its log
has fewer deliveries than there are copies), be it that the note was lost with the power.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import smtplib
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

from imapclient.exceptions import IMAPClientError
from tests.machine.postfix_log import Noted, noted
from tests.machine.server import DOMAIN, PASSWORD, USER, Server

from posthouse.lab.wait import until

_QUEUE_ID = re.compile(
    rb"(?s)^Received: (?:from client\.example|by \S+ \(Postfix\) with).*?\bid ([0-9A-Za-z]+)", re.MULTILINE
)
_QUEUED_AS = re.compile(r"queued as (\w+)")
_NOT_WRITTEN = "4.3.0 Error: queue file write error"  # cleanup(8) gave smtpd(8) no answer, or said so

TAKEN, LATER, REFUSED, LOST, UNSENT = "taken", "later", "refused", "lost", "unsent"


@dataclass
class Entry:
    """One message: `attempts` are (outcome, the server's words), in order."""

    number: int
    user: str
    digest: str
    size: int
    attempts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        """Whether the server ever said 250 to all of it."""
        return any(outcome == TAKEN for outcome, _ in self.attempts)

    @property
    def story(self) -> str:
        """The attempts in short: "3 times unsent (ConnectionRefusedError), taken (2.0.0 Ok)"."""
        told = []
        for (outcome, words), same in groupby(self.attempts):
            times = len(list(same))
            told.append(f"{times} times " * (times > 1) + f"{outcome} ({words})")
        return ", ".join(told)

    @property
    def lost(self) -> int:
        """How often the connection went after the final dot, before a reply."""
        return sum(outcome == LOST for outcome, _ in self.attempts)

    def unheard(self, ids: set[str], noted: Noted) -> int:
        """How many of these queue ids this sender was never told of, each by a reply that was lost on its way.

        A "queue file write error" counts where it cannot but have been that: there is a message that no 250 named,
        and the log says that its cleanup was killed with it in hand.
        """
        named = {match[1] for outcome, said in self.attempts if (match := _QUEUED_AS.search(said))}
        errors = sum(outcome == LATER and _NOT_WRITTEN in said for outcome, said in self.attempts)
        return self.lost + min(errors, len((ids - named) & noted.cut_off))


@dataclass
class Audit:
    """What was found. `wrong` must be empty; `duplicates` are copies too many, each with its explanation."""

    entries: int
    outcomes: Counter[str]
    delivered: int
    queued: int
    duplicates: list[str]
    wrong: list[str]
    reopened: int = 0

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        lines = [
            f"{self.entries} messages; replies: {counts}",
            f"{self.delivered} in mailboxes, {self.queued} in the queue, {len(self.duplicates)} copies too many, "
            f"{self.reopened} folders opened at a second try",
        ]
        return "\n".join([*lines, *(f"  twice: {line}" for line in self.duplicates), *self.wrong])


def accounts(server: Server, number: int = 3) -> list[str]:
    """That many accounts of the server, made where they are not there."""
    names = [f"ledger{n}@{DOMAIN}" for n in range(1, number)]
    for name in names:
        server.posthouse("user", "add", name, "--password-stdin", input=PASSWORD + "\n", check=False)
    return [USER, *names]


class Ledger:
    """Sends numbered messages to a server's users and accounts for them."""

    def __init__(
        self,
        server: Server,
        users: Sequence[str],
        seed: int = 0,
        largest: int = 60_000,
        patience: float = 60,
    ) -> None:
        """`largest`: bytes of the largest body; `patience`: seconds until the sender hangs up on a silent server."""
        self.server = server
        self.users = users
        self.entries: list[Entry] = []
        self._chance = random.Random(seed)
        self._name = uuid.uuid4().hex[:8]  # other ledgers' messages may be in the same mailboxes
        self._largest = largest
        self._patience = patience
        self.cuts = 0  # how often the server's power was cut, counted by the test
        self._bodies: dict[int, bytes] = {}
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many messages got their 250 by now."""
        return sum(entry.taken for entry in list(self.entries))

    # -- sending ------------------------------------------------------------------------------------

    def send(
        self, count: int, sessions: int = 4, until_taken: bool = False, patience: float = 180
    ) -> list[Entry]:
        """Send that many new messages; with `until_taken` each again and again, as an honest server does.

        Raises:
            LabError: a message was not taken within `patience` seconds.
        """
        new = [self._new() for _ in range(count)]
        shares = [new[start::sessions] for start in range(sessions)]
        with ThreadPoolExecutor(sessions) as pool:
            for done in [pool.submit(self._session, share, until_taken, patience) for share in shares]:
                done.result()
        return new

    def _new(self) -> Entry:
        with self._lock:
            number = len(self.entries) + 1
            lines = []
            for _ in range(self._chance.randrange(1, max(2, self._largest // 70))):
                lines.append(self._chance.choice(("", ".", "..x ")) + f"{self._chance.getrandbits(256):x}")
            body = ("\r\n".join(lines) + "\r\n").encode()
            digest = hashlib.sha256(body).hexdigest()
            entry = Entry(number, self.users[number % len(self.users)], digest, len(body))
            self._bodies[number] = body
            self.entries.append(entry)
        return entry

    def _session(self, share: list[Entry], until_taken: bool, patience: float) -> None:
        client: smtplib.SMTP | None = None
        for entry in share:

            def attempt(entry: Entry = entry) -> bool:
                nonlocal client
                client, outcome, words = self._attempt(client, entry)
                entry.attempts.append((outcome, words))
                return not until_taken or outcome in (TAKEN, REFUSED)

            until(attempt, patience, f"the server to take message {entry.number}", pause=0.2)
        if client is not None:
            client.close()

    def _attempt(self, client: smtplib.SMTP | None, entry: Entry) -> tuple[smtplib.SMTP | None, str, str]:
        """Send once: the session to go on with, the outcome, the server's words."""
        said_all = False
        try:
            if client is None:
                with self.server.net.inside():
                    client = smtplib.SMTP(self.server.address, 25, "client.example", self._patience)
                client.ehlo()
            for command, expected in (
                (f"MAIL FROM:<{self._sender(entry.number)}>", 250),
                (f"RCPT TO:<{entry.user}>", 250),
                ("DATA", 354),
            ):
                code, text = client.docmd(command)
                if code != expected:
                    client.close()
                    return None, LATER if 400 <= code < 500 else REFUSED, f"{command[:4]}: {code} {text!r}"
            client.send(self._wire(entry))
            said_all = True
            client.send(b".\r\n")
            code, text = client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            if client is not None:
                client.close()
            return None, LOST if said_all else UNSENT, repr(error)
        outcome = TAKEN if code == 250 else LATER if 400 <= code < 500 else REFUSED
        if outcome == TAKEN:
            return client, outcome, text.decode()
        client.close()
        return None, outcome, f"dot: {code} {text!r}"

    def _sender(self, number: int) -> str:
        return f"{self._name}-{number}@elsewhere.example"

    def _wire(self, entry: Entry) -> bytes:
        head = (
            f"From: {self._sender(entry.number)}\r\nTo: {entry.user}\r\nSubject: number {entry.number}\r\n"
            f"Message-ID: <{self._sender(entry.number)}>\r\n"
            f"Date: Sun, 22 Nov 2026 20:00:00 +0000\r\nX-Ledger: {self._name}-{entry.number}\r\n\r\n"
        )
        return head.encode() + re.sub(rb"(?m)^\.", b"..", self._bodies[entry.number])

    # -- the audit ----------------------------------------------------------------------------------

    def audit(self, timeout: float = 120, settled: Callable[[], bool] | None = None) -> Audit:
        """Await an empty queue (or `settled`), then compare all with what is there."""
        until(settled or self._flushed, timeout, "the queue to be empty", pause=0.5)
        audit = Audit(len(self.entries), Counter(), 0, 0, [], [])
        audit.outcomes.update(outcome for entry in self.entries for outcome, _ in entry.attempts)
        queued = self._queue()
        self._compare_queue(queued, audit)
        copies = self._copies(audit)
        log = noted(self._log())
        for entry in self.entries:
            self._judge(entry, copies.get(entry.number, []), queued.get(entry.number, []), log, audit)
        return audit

    def _judge(self, entry: Entry, copies: list[str], queued: list[str], log: Noted, audit: Audit) -> None:
        audit.delivered += bool(copies)
        audit.queued += bool(queued)
        ids = set(copies) | set(queued)
        said = f"number {entry.number} to {entry.user}, {entry.size} bytes: {entry.story}"
        if entry.taken and not ids:
            audit.wrong.append(f"GONE: {said}")
        unheard = entry.unheard(ids, log)
        if ids and not entry.taken and not unheard:
            audit.wrong.append(f"THERE, THOUGH REFUSED: {said}")
        # Taken twice: this sender never heard of the one, and said it all again.
        if len(ids) > 1:
            text = f"{said}: {len(ids)} queue ids, {unheard} replies never came"
            (audit.duplicates if len(ids) - 1 <= unheard else audit.wrong).append(text)
        # Taken once, stored twice: Postfix never noted Dovecot's reply to the one, and delivered it again.
        for name, count in Counter(copies).items():
            sent = log.sent[name]
            if count > 1 or name in queued:
                text = f"{said}: {count} copies of {name}{' and it waits' * (name in queued)}, {sent} noted"
                # Noted both times: that it was done with the first was not on the disk yet when the power went.
                explained = (sent <= 1 and count - sent >= 1) or 0 < count - 1 <= self.cuts
                (audit.duplicates if explained else audit.wrong).append(text)

    def _copies(self, audit: Audit) -> dict[int, list[str]]:
        """The queue ids of the copies in all mailboxes, by number; bodies that differ go to `wrong`."""
        digests = {entry.number: entry.digest for entry in self.entries}
        found: dict[int, list[str]] = {}
        for user in self.users:
            with self.server.imap(user) as client:
                # A parent of folders may be none itself.
                folders = [name for flags, _, name in client.list_folders() if b"\\Noselect" not in flags]
            for folder in folders:
                for raw in self._messages(user, folder, audit):
                    head, _, body = raw.partition(b"\r\n\r\n")
                    number = int(re.search(rb"(?m)^X-Ledger: \w+-(\d+)", head)[1])  # type: ignore[index]
                    queue_id = _QUEUE_ID.search(head)
                    found.setdefault(number, []).append(queue_id[1].decode() if queue_id else "?")
                    if hashlib.sha256(body).hexdigest() != digests.get(number):
                        audit.wrong.append(f"ANOTHER BODY: number {number} in {folder} of {user}")
        return found

    def _messages(self, user: str, folder: str, audit: Audit) -> list[bytes]:
        """This ledger's messages in a folder.

        After a power cut Dovecot may find the folder's index damaged, and say so in one session or two.
        """
        for left in (2, 1, 0):
            try:
                with self.server.imap(user) as client:
                    client.select_folder(folder, readonly=True)
                    every = client.search(["HEADER", "X-Ledger", self._name])
                    found = []
                    for start in range(0, len(every), 100):
                        answer = client.fetch(every[start : start + 100], ["BODY.PEEK[]"])
                        found += [part[b"BODY[]"] for part in answer.values()]
                    return found
            except IMAPClientError:
                if not left:
                    raise
                audit.reopened += 1
        raise AssertionError

    def _queue(self) -> dict[int, list[str]]:
        """Queue ids by number, of what waits (on hold too)."""
        found: dict[int, list[str]] = {}
        for line in self.server.queue():
            item = json.loads(line)
            if match := re.fullmatch(rf"{self._name}-(\d+)@elsewhere\.example", item["sender"]):
                found.setdefault(int(match[1]), []).append(item["queue_id"])
        return found

    def _flushed(self) -> bool:
        """Whether nothing waits; what does is tried at once (Postfix itself tries again after five minutes)."""
        waits = bool(self._queue())
        if waits:
            self.server.run(["postqueue", "-f"], check=False)
        return not waits

    def _compare_queue(self, queued: dict[int, list[str]], audit: Audit) -> None:
        """Compare the bodies of what waits; what is delivered meanwhile is in a mailbox."""
        for number, names in queued.items():
            for name in names:
                body = self.server.run(["postcat", "-qb", name], check=False).raw.replace(b"\n", b"\r\n")
                if body and hashlib.sha256(body).hexdigest() != self.entries[number - 1].digest:
                    audit.wrong.append(f"ANOTHER BODY: number {number} in the queue as {name}")

    def _log(self) -> list[str]:
        """All that Postfix's LMTP client, its cleanup and its master logged, of all boots."""
        if self.server.machine.spec.pid1 == "systemd":
            command = "journalctl --no-pager -t postfix/lmtp -t postfix/cleanup -t postfix/master"
        else:
            command = "cat $(ls -rv /var/log/posthouse/postfix.log*)"  # the oldest first
        return self.server.run(command).stdout.splitlines()
