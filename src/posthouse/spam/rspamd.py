"""Rspamd: its controller learns (HTTP on a unix socket), its Redis counts, its header X-Spamd-Result is the record.

Source: https://rspamd.com/doc/architecture/protocol.html, and the answers of 3.4 and 3.12.
"""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from email.message import Message
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.spam import words
from posthouse.spam.model import Kind, Learned, Outcome, Rule, Silent, Verdict

NEEDED = 200  # of each kind: min_learns of Debian's statistic.conf
REDIS = Path("/run/redis/redis-server.sock")
_PATIENCE = 15.0  # seconds for one answer
_OUTCOMES: dict[int, Outcome] = {200: "learned", 208: "known", 204: "short"}
# Rules that decide by themselves, whatever the points (local.d/dmarc.conf, local.d/rspamd.lua).
_FORCING = (
    *("POSTHOUSE_FORGED", "POSTHOUSE_AUTHORS", "POSTHOUSE_UNAUTHORIZED"),
    *("DMARC_POLICY_REJECT", "DMARC_POLICY_QUARANTINE"),
)
_HEAD = re.compile(r"\[\s*(-?[\d.]+)\s*/\s*(-?[\d.]+)\s*\]")
_RULE = re.compile(r"\s*([A-Za-z_][\w.]*)\((-?[\d.]+)\)\[(.*)\]\s*$", re.DOTALL)


class Rspamd:
    """The first choice of chain."""

    record = "X-Spamd-Result"

    def teach(self, kind: Kind, message: bytes) -> Outcome:
        """Teach one message. Silent: no answer. PosthouseError: refused."""
        head = f"POST /learn{kind} HTTP/1.0\r\nContent-Length: {len(message)}\r\n\r\n".encode()
        answer = _asked(paths.RSPAMD_CONTROLLER, head + message, "rspamd")
        status, said = _parsed(answer)
        if status not in _OUTCOMES:
            raise PosthouseError(f"rspamd did not learn a message: {status} {said}")
        return _OUTCOMES[status]

    def learned(self) -> Learned:
        """Return what was learned. Silent: Redis does not answer."""
        # The controller tells figures that are some seconds old.
        answer = _asked(REDIS, b"HMGET RS learns_spam learns_ham\r\nQUIT\r\n", "redis-server")
        found = re.findall(rb"\$(-?\d+)\r\n(?:(\d+)\r\n)?", answer)
        if not answer.startswith(b"*2\r\n") or len(found) < 2:
            raise PosthouseError(f"redis-server: expected two numbers, found {answer[:80]!r}")
        spam, ham = (int(text or 0) for _, text in found[:2])
        return Learned(spam, ham, NEEDED)

    def verdict(self, headers: Message) -> Verdict | None:
        """Return what Rspamd wrote into a message's headers; None where it wrote nothing."""
        text = str(headers.get(self.record, ""))
        first, *rest = _split(" ".join(text.split()))
        head = _HEAD.search(first)
        if head is None:
            return None
        found = [Rule(m[1], float(m[2]), m[3]) for m in map(_RULE.match, rest) if m]
        rules = tuple(replace(rule, words=words.RSPAMD.get(rule.name, "")) for rule in found)
        score, needed = float(head[1]), float(head[2])
        junk = str(headers.get("X-Spam", "")).strip().lower() == "yes"
        forced = next((rule for name in _FORCING for rule in rules if rule.name == name), None)
        return Verdict(score, needed, junk, rules, forced if junk and score < needed else None)


def _split(text: str) -> list[str]:
    """Split at `;` outside of brackets: evidence may hold one."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text):
        if char == "[":
            depth += 1
        elif char == "]":
            depth = max(0, depth - 1)
        elif char == ";" and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _asked(path: Path, question: bytes, who: str) -> bytes:
    """Say something to a socket, and return all that it answers until it closes."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_PATIENCE)
            sock.connect(str(path))
            sock.sendall(question)
            with sock.makefile("rb") as answers:
                return answers.read()
    except OSError as error:
        reason = error.strerror or "no answer in time"
        raise Silent(f"{who} does not answer at {path}: {reason}", "Does it run? posthouse status") from error


def _parsed(answer: bytes) -> tuple[int, str]:
    """Return an HTTP answer's status and its words."""
    line, _, _ = answer.partition(b"\r\n")
    found = re.match(rb"HTTP/1\.\d (\d{3}) ?(.*)", line)
    if found is None:
        raise Silent(f"rspamd: expected an HTTP answer, found {answer[:80]!r}", "Say the same again.")
    return int(found[1]), found[2].decode(errors="replace")
