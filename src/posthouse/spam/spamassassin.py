"""SpamAssassin: spamd learns (TELL), `sa-learn` counts, its headers X-Spam-Status and the reports are the record.

Source: spamd's PROTOCOL (SPAMC/1.5), sa-learn(1), and what 4.0.1 writes.
"""

from __future__ import annotations

import re
import socket
from email.message import Message

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host.run import run
from posthouse.spam.model import Kind, Learned, Outcome, Rule, Silent, Verdict

NEEDED = 200  # of each kind: bayes_min_spam_num and bayes_min_ham_num
USER = "debian-spamd"
_PATIENCE = 60.0  # seconds for one answer
_STATUS = re.compile(r"(Yes|No), score=(-?[\d.]+) required=(-?[\d.]+) tests=(\S*(?:,\s+\S+)*)")
# " *  0.5 NAME words": points, name and words of a rule in a report; further lines go on with the words
_LINE = re.compile(r"\*\s+(-?[\d.]+)\s+([A-Z_][A-Z0-9_]*)\s*(.*)")
_COUNT = re.compile(r"^\S+\s+\S+\s+(\d+)\s+\S+\s+non-token data: n(spam|ham)$", re.MULTILINE)
_FORCING = ("POSTHOUSE_FORGED", "POSTHOUSE_QUARANTINE", "POSTHOUSE_AUTHORS", "POSTHOUSE_UNAUTHORIZED")


class SpamAssassin:
    """The classic chain."""

    record = "X-Spam-Status"

    def teach(self, kind: Kind, message: bytes) -> Outcome:
        """Teach one message. Silent: no answer. PosthouseError: refused."""
        head = (
            f"TELL SPAMC/1.5\r\nMessage-class: {kind}\r\nSet: local\r\nContent-length: {len(message)}\r\n\r\n"
        )
        answer = _asked(head.encode() + message)
        if not re.match(r"SPAMD/\S+ 0 ", answer):
            raise PosthouseError(f"spamd did not learn a message: {answer[:100].strip() or 'it hung up'}")
        return "learned" if re.search(r"(?m)^DidSet: ", answer) else "known"

    def learned(self) -> Learned:
        """Return what was learned. PosthouseError: it cannot be read."""
        if not (paths.SPAMD_LEARNED / "bayes_toks").exists():
            return Learned(0, 0, NEEDED)
        as_itself = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
        home = {"HOME": str(paths.SPAMD_LEARNED)}
        said = run([*as_itself, "sa-learn", "--dump", "magic"], env=home)
        found = {kind: int(count) for count, kind in _COUNT.findall(said.stdout)}
        return Learned(found.get("spam", 0), found.get("ham", 0), NEEDED)

    def verdict(self, headers: Message) -> Verdict | None:
        """Return what SpamAssassin wrote into a message's headers; None where it wrote nothing."""
        status = _STATUS.search(" ".join(str(headers.get(self.record, "")).split()))
        if status is None:
            return None
        report = headers.get("X-Spam-Report") or headers.get("X-Spam-HAM-Report") or ""
        rules = _rules(str(report))
        junk = str(headers.get("X-Spam", "")).strip().lower() == "yes"
        forced = next((rule for name in _FORCING for rule in rules if rule.name == name), None)
        return Verdict(float(status[2]), float(status[3]), junk, rules, forced if junk else None)


def _rules(report: str) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for line in report.splitlines():
        if found := _LINE.match(line.strip()):
            rules.append(Rule(found[2], float(found[1]), words=found[3].strip()))
        elif rules and (more := re.match(r"\*\s+(.*)", line.strip())):
            last = rules.pop()
            rules.append(Rule(last.name, last.points, words=f"{last.words} {more[1]}".strip()))
    return tuple(rules)


def _asked(question: bytes) -> str:
    """Say something to spamd, and return all that it answers until it closes."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_PATIENCE)
            sock.connect(str(paths.SPAMD))
            sock.sendall(question)
            with sock.makefile("rb") as answers:
                return answers.read().decode(errors="replace").replace("\r\n", "\n")
    except OSError as error:
        reason = error.strerror or "no answer in time"
        raise Silent(
            f"spamd does not answer at {paths.SPAMD}: {reason}", "Does it run? posthouse status"
        ) from error
