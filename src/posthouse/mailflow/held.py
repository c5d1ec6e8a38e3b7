"""Messages in Postfix's queue, one by one: listed, shown, released, deleted (postqueue(1), postcat(1), postsuper(1)).

A message that a client submitted belongs to the account that logged in, which stands in its queue file; other mail to
its envelope sender.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from posthouse.errors import UsageError
from posthouse.host.run import run

_ID = re.compile(r"[0-9A-Za-z]{6,20}")
_AT_ONCE = 200  # queue ids for one postcat
_LOGIN = "named_attribute: sasl_username="
_SHOWN = 4000  # characters of a message's text


@dataclass(frozen=True)
class Message:
    """A message in the queue. `arrived`: POSIX seconds; `size`: bytes; `reasons`: why its recipients wait."""

    queue_id: str
    queue: str
    account: str
    sender: str
    arrived: float
    size: int
    recipients: tuple[str, ...]
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the documented shape."""
        return asdict(self)


def listed(account: str | None = None, queue: str | None = None) -> list[Message]:
    """Return what is in the queue, the oldest first: of an account, in a queue (hold, deferred, ...), where said.

    Raises:
        PosthouseError: the queue cannot be listed.
    """
    found = parse(run(["postqueue", "-j"], timeout=60).stdout)
    if queue is not None:
        found = [message for message in found if message.queue == queue]
    logins = _logins([message.queue_id for message in found])
    whole = [_of(message, logins.get(message.queue_id)) for message in found]
    wanted = account.lower() if account else None
    return sorted((m for m in whole if wanted in (None, m.account)), key=lambda m: (m.arrived, m.queue_id))


def parse(text: str) -> list[Message]:
    """Read `postqueue -j`: one JSON object a line."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        entry = json.loads(line)
        recipients = entry["recipients"]
        reasons = dict.fromkeys(one["delay_reason"] for one in recipients if one.get("delay_reason"))
        found.append(
            Message(
                entry["queue_id"],
                entry["queue_name"],
                entry["sender"].lower(),
                entry["sender"],
                float(entry["arrival_time"]),
                int(entry["message_size"]),
                tuple(one["address"] for one in recipients),
                tuple(reasons),
            )
        )
    return found


def text(queue_id: str) -> str:
    """Return the beginning of a message as it lies in the queue. UsageError where it is not there."""
    _check([queue_id])
    said = run(["postcat", "-hbq", queue_id], timeout=60, check=False)
    if said.returncode != 0:
        raise UsageError(f"{queue_id} is not in the queue.", "posthouse queue list shows what is.")
    return said.stdout[:_SHOWN] + ("\n..." if len(said.stdout) > _SHOWN else "")


def release(queue_ids: Sequence[str]) -> int:
    """Let messages that are held go, now; return how many were held. Nothing judges or counts them again."""
    _check(queue_ids)
    done = _super("-H", queue_ids)
    for queue_id in queue_ids[:_AT_ONCE]:
        run(["postqueue", "-i", queue_id], timeout=60, check=False)
    if len(queue_ids) > _AT_ONCE:
        run(["postqueue", "-f"], timeout=60)
    return done


def delete(queue_ids: Sequence[str]) -> int:
    """Delete messages for good; return how many were there."""
    _check(queue_ids)
    return _super("-d", queue_ids)


def _super(option: str, queue_ids: Sequence[str]) -> int:
    if not queue_ids:
        return 0
    said = run(["postsuper", option, "-"], input="\n".join(queue_ids) + "\n", timeout=600).said
    found = re.search(r"postsuper: \w+(?: from hold)?: (\d+) message", said)
    return int(found[1]) if found else 0


def _check(queue_ids: Iterable[str]) -> None:
    for queue_id in queue_ids:
        if not _ID.fullmatch(queue_id) or queue_id == "ALL":  # which postsuper(1) takes for everything
            raise UsageError(f"{queue_id!r} is not a queue id.", "posthouse queue list shows them.")


def _of(message: Message, login: str | None) -> Message:
    return message if login is None else Message(**{**asdict(message), "account": login})


def _logins(queue_ids: Sequence[str]) -> dict[str, str]:
    """Return who logged in for each message; one that has left meanwhile, or was not submitted, is not named."""
    found: dict[str, str] = {}
    for some in _batches(queue_ids):
        current = ""
        for line in run(["postcat", "-eq", *some], timeout=120, check=False).stdout.splitlines():
            if line.startswith("*** ENVELOPE RECORDS "):
                current = line.removesuffix(" ***").rpartition("/")[2]
            elif line.startswith(_LOGIN) and current:
                found[current] = line.removeprefix(_LOGIN).lower()
    return found


def _batches(items: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
