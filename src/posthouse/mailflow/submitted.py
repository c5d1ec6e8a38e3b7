"""Which mail in Postfix's queue an account submitted, and holding it there (postsuper(1))."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from posthouse.host.run import run

_LOGIN = re.compile(r"^named_attribute: sasl_username=(.*)$", re.MULTILINE)


def by(login: str, queues: Collection[str], senders: Collection[str]) -> list[str]:
    """Return the queue ids of what a login submitted, in the queues named (active, deferred, hold, incoming).

    `senders`: domains that envelope senders of ours are at; only such mail is opened, and mail without a sender.

    Raises:
        PosthouseError: the queue cannot be listed.
    """
    return [
        queue_id
        for queue_id, queue, sender in _messages()
        if queue in queues
        and (not sender or sender.rpartition("@")[2].lower() in senders)
        and _login_of(queue_id) == login.lower()
    ]


def hold(queue_ids: Collection[str]) -> None:
    """Put messages on hold; one that is gone meanwhile is nobody's error. CommandFailed."""
    if queue_ids:
        run(["postsuper", "-h", "-"], input="".join(f"{one}\n" for one in queue_ids))


def release(queue_ids: Collection[str]) -> None:
    """Let messages that are on hold go on, at once. CommandFailed."""
    if queue_ids:
        run(["postsuper", "-H", "-"], input="".join(f"{one}\n" for one in queue_ids))
        run(["postqueue", "-f"])


def _messages() -> Iterator[tuple[str, str, str]]:
    """Yield queue id, name of the queue and envelope sender of every message; "" is the null sender."""
    for line in run(["postqueue", "-j"], timeout=60).stdout.splitlines():
        if line.strip():
            message = json.loads(line)
            sender = message["sender"]
            yield message["queue_id"], message["queue_name"], "" if sender == "MAILER-DAEMON" else sender


def _login_of(queue_id: str) -> str | None:
    # Only the envelope (-e); a message that is gone meanwhile has none.
    found = _LOGIN.search(run(["postcat", "-e", "-q", queue_id], check=False).stdout)
    return found[1].lower() if found else None
