"""The mail log read as events: one reader for journald and for the files under /var/log/posthouse.

Where PID 1 is systemd the daemons log to the journal; elsewhere supervisor keeps what each says in
`/var/log/posthouse/NAME.log`. Both give `Line`s; `event` reads what a line means. What it does not know it
leaves a line: nothing here fails on a strange one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from posthouse import paths
from posthouse.host.run import run
from posthouse.site.release import Ground

# unit in the journal -> name of the service, which is also that of its file
UNITS = {
    "postfix@-.service": "postfix",
    "postfix.service": "postfix",
    "dovecot.service": "dovecot",
    "rspamd.service": "rspamd",
    "opendkim.service": "opendkim",
    "opendmarc.service": "opendmarc",
    "spamd.service": "spamd",
    "posthouse-gate.service": "posthouse-gate",
    "posthouse-agent.service": "posthouse-agent",
}
MOST_BYTES = 4_000_000  # of a file, from its end

# "Nov 22 18:59:11 mail postfix/pickup[1560]: text", as postlogd(8) writes it
_POSTFIX = re.compile(r"(\w{3} +\d+ [\d:]{8}) \S+ postfix/([\w/-]+)\[\d+\]: (.*)")
# "Nov 22 18:59:11 imap-login: Info: text", as Dovecot writes to log_path
_DOVECOT = re.compile(r"(\w{3} +\d+ [\d:]{8}) ([\w-]+)((?:\([^)]*\))*)(?:<[^>]*>)*: (.*)")

_QUEUED = re.compile(r"(?:NOQUEUE|([0-9A-F]{6,}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,})): (.*)", re.DOTALL)
_DELIVERY = re.compile(r"to=<([^>]*)>,.* relay=([^,]+),.* dsn=([\d.]+), status=(\w+) \((.*)\)\Z", re.DOTALL)
_REFUSED = re.compile(r"(?:milter-)?reject: (\S+) from ([^:]*): (.*)", re.DOTALL)
# Dovecot 2.3 says "Login:", 2.4 "Logged in:".
_LOGIN = re.compile(r"(?:Info: )?(?:Login|Logged in): user=<([^>]*)>.* rip=([^,]+)")
_LOGIN_FAILED = re.compile(r"auth failed, (\d+) attempts.* rip=([^,]+)")
_SASL_FAILED = re.compile(r"warning: \S*\[([^\]]+)\]: SASL \S+ authentication failed")


@dataclass(frozen=True)
class Line:
    """One line: when (POSIX seconds), which service, which of its processes, what it said.

    `subject`: what Dovecot writes in brackets after the process's name, such as `(user@snorl.ax,192.0.2.7)`.
    """

    when: float
    service: str
    process: str
    text: str
    subject: str = ""


@dataclass(frozen=True)
class Delivery:
    """Postfix tried to deliver. `status`: sent, deferred, bounced, expired, undeliverable, ..."""

    line: Line
    queue_id: str
    recipient: str
    relay: str
    dsn: str
    status: str
    said: str


@dataclass(frozen=True)
class Refusal:
    """Postfix or a milter refused a client; `queue_id` is empty before a message has one."""

    line: Line
    queue_id: str
    stage: str
    client: str
    said: str


@dataclass(frozen=True)
class Login:
    """A login over IMAP, POP3, ManageSieve or SMTP; `user` is empty where the daemon does not say it."""

    line: Line
    ok: bool
    user: str
    address: str


Event = Delivery | Refusal | Login
Source = Literal["journal", "files"]


def lines(ground: Ground, since: float) -> Iterator[Line]:
    """Yield the lines of the last `since` seconds, in the order of each service's log.

    Raises:
        PosthouseError: journalctl failed. A missing file is an empty one.
    """
    if ground.manager == "systemd":
        yield from _journal(since)
    else:
        for service in dict.fromkeys(UNITS.values()):
            yield from _file(service, paths.LOG / f"{service}.log", time.time() - since)


def events(ground: Ground, since: float) -> Iterator[Event]:
    """Yield what happened in the last `since` seconds. Raises as `lines`."""
    for line in lines(ground, since):
        found = event(line)
        if found is not None:
            yield found


def about(ground: Ground, queue_id: str, since: float = 300.0) -> list[Line]:
    """Return Postfix's lines about a message. Raises as `lines`."""
    return [
        line
        for line in lines(ground, since)
        if line.service == "postfix" and line.text.startswith(f"{queue_id}: ")
    ]


def event(line: Line) -> Event | None:
    """Return what a line says, or None where that is nothing that is counted."""
    if line.service == "postfix":
        return _postfix(line)
    if line.service == "dovecot" and line.process.endswith("-login"):
        if found := _LOGIN.search(line.text):
            return Login(line, True, found[1], found[2])
        if found := _LOGIN_FAILED.search(line.text):
            user = re.search(r"user=<([^>]*)>", line.text)
            return Login(line, False, user[1] if user else "", found[2])
    return None


def _postfix(line: Line) -> Event | None:
    if found := _SASL_FAILED.match(line.text):
        return Login(line, False, "", found[1])
    queued = _QUEUED.match(line.text)
    if queued is None:
        return None
    queue_id, said = queued[1] or "", queued[2]
    if found := _DELIVERY.match(said):
        return Delivery(line, queue_id, found[1], found[2], found[3], found[4], found[5])
    if found := _REFUSED.match(said):
        return Refusal(line, queue_id, found[1], found[2], found[3])
    return None


def _journal(since: float) -> Iterator[Line]:
    units = [part for unit in UNITS for part in ("--unit", unit)]
    fields = "MESSAGE,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT"
    said = run(
        [
            "journalctl",
            "--quiet",
            "--output=json",
            f"--output-fields={fields}",
            f"--since=-{since:.0f}s",
            *units,
        ],
        timeout=30,
    )
    for text in said.stdout.splitlines():
        line = _journal_line(text)
        if line is not None:
            yield line


def _journal_line(text: str) -> Line | None:
    try:
        return entry_line(json.loads(text))
    except (ValueError, AttributeError):
        return None


def entry_line(entry: Mapping[str, Any]) -> Line | None:
    """Return an entry of the journal as a line; None where it is none of the mail service's."""
    try:
        when = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return None
    unit, message = entry.get("_SYSTEMD_UNIT", ""), entry.get("MESSAGE")
    if isinstance(message, list):  # journald gives bytes that are no text as numbers
        message = bytes(message).decode("utf-8", "replace")
    service = UNITS.get(unit)
    if service is None or not isinstance(message, str):
        return None
    process = str(entry.get("SYSLOG_IDENTIFIER", ""))
    if service == "dovecot":  # "imap-login: Info: ...": the daemon's name is in the text
        found = re.match(r"([\w-]+)((?:\([^)]*\))*)(?:<[^>]*>)*: (.*)", message, re.DOTALL)
        if found:
            return Line(when, service, found[1], found[3], found[2])
    return Line(when, service, process.rpartition("/")[2], message)


def _file(service: str, path: Path, after: float) -> Iterator[Line]:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - MOST_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return
    for raw in text.split("\n"):  # and at nothing else that Unicode takes for the end of a line
        line = file_line(service, raw)
        if line is not None and line.when >= after:
            yield line


def file_line(service: str, raw: str) -> Line | None:
    """Return a line of a service's file; None where it is not of its usual form."""
    pattern = {"postfix": _POSTFIX, "dovecot": _DOVECOT}.get(service)
    found = pattern.match(raw) if pattern else None
    if found is None:
        return None
    subject = found[3] if service == "dovecot" else ""
    return Line(_time(found[1]), service, found[2].rpartition("/")[2], found[found.re.groups], subject)


def _time(stamp: str) -> float:
    """Return the time of a stamp without a year: the last one that is not in the future."""
    now = datetime.now()
    try:
        when = datetime.strptime(f"{now.year} {stamp}", "%Y %b %d %H:%M:%S")
    except ValueError:
        return 0.0
    if (when - now).total_seconds() > 86_400:
        when = when.replace(year=now.year - 1)
    return when.timestamp()
