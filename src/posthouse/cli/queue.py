"""`posthouse queue`: what waits and what is held, and letting it go or deleting it.

JSON of `list`: [{"queue_id", "queue", "account", "sender", "arrived", "size", "recipients": [addresses], "reasons":
[sentences]}], times in POSIX seconds; `show` adds "text". Of `release` and `delete`: {"messages": number}; the
status is 1 where that is less than were named.
"""

from __future__ import annotations

import time

import click

from posthouse.cli import _directory, _output
from posthouse.errors import UsageError


def _account(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and "@" not in value and value.upper() != "MAILER-DAEMON":
        raise UsageError(
            f"--account: {value!r} is not an address.",
            "Write user@example.org; a Unix user's mail is USER@ the main domain's, bounces are MAILER-DAEMON's.",
        )
    return value


_ACCOUNT = click.option(
    "--account", metavar="ADDRESS", callback=_account, help="Only what this account sent."
)
_QUEUE = click.option(
    "--queue", type=click.Choice(["hold", "deferred", "active", "incoming"]), help="Only that queue."
)


@click.group()
def queue() -> None:
    """See what waits and what is held, release it, delete it."""


@queue.command(name="list")
@_ACCOUNT
@_QUEUE
@_directory.JSON
def list_(account: str | None, queue: str | None, as_json: bool) -> None:
    """List the messages in the queue, the oldest first."""
    from posthouse.mailflow import held

    _output.require_root()
    found = held.listed(account, queue)
    if as_json:
        _output.emit_json([message.as_json() for message in found])
        return
    if not found:
        _output.emit("Nothing waits.")
        return
    now = time.time()
    rows = [
        (
            m.queue_id,
            m.queue,
            f"{max(now - m.arrived, 0) / 60:.0f} min",
            m.account or "(nobody)",
            m.recipients[0] + (f" and {len(m.recipients) - 1} more" if len(m.recipients) > 1 else "")
            if m.recipients
            else "",
            m.reasons[0][:80] if m.reasons else "",
        )
        for m in found
    ]
    _output.emit(_output.table(rows, ("ID", "QUEUE", "AGE", "ACCOUNT", "TO", "REASON")))


@queue.command()
@click.argument("queue_id")
@_directory.JSON
def show(queue_id: str, as_json: bool) -> None:
    """Show a message: its envelope, its header, and how its text begins."""
    from posthouse.mailflow import held

    _output.require_root()
    text = held.text(queue_id)
    found = next((message for message in held.listed() if message.queue_id == queue_id), None)
    if found is None:
        raise UsageError(f"{queue_id} has just left the queue.")
    if as_json:
        _output.emit_json({**found.as_json(), "text": text})
        return
    for name, value in (
        ("account", found.account),
        ("sender", found.sender),
        ("recipients", ", ".join(found.recipients)),
        ("queue", found.queue),
        ("reasons", "; ".join(found.reasons)),
    ):
        _output.emit(f"{name}: {' '.join(value.splitlines())}")
    _output.emit()
    for line in text.splitlines():
        _output.emit(line)


@queue.command()
@click.argument("queue_ids", nargs=-1, metavar="[ID]...")
@_ACCOUNT
@_directory.JSON
def release(queue_ids: tuple[str, ...], account: str | None, as_json: bool) -> int:
    """Let held messages go now. They are not judged or counted again."""
    from posthouse.mailflow import held

    _output.require_root()
    chosen = _chosen(queue_ids, account, "hold")
    return _done(held.release(chosen), len(set(queue_ids)), "released", as_json)


@queue.command()
@click.argument("queue_ids", nargs=-1, metavar="[ID]...")
@_ACCOUNT
@_directory.YES
@_directory.JSON
def delete(queue_ids: tuple[str, ...], account: str | None, yes: bool, as_json: bool) -> int:
    """Delete messages for good; with --account all that it has in the queue."""
    from posthouse.mailflow import held

    _output.require_root()
    chosen = _chosen(queue_ids, account, None)
    if chosen:
        _output.confirm(f"{len(chosen)} messages will be deleted for good; nobody is told.", yes)
    return _done(held.delete(chosen), len(set(queue_ids)), "deleted", as_json)


def _chosen(queue_ids: tuple[str, ...], account: str | None, queue: str | None) -> list[str]:
    from posthouse.mailflow import held

    if bool(queue_ids) == bool(account):
        raise UsageError("Say which: queue ids, or --account ADDRESS.", "posthouse queue list shows both.")
    return list(queue_ids) or [message.queue_id for message in held.listed(account, queue)]


def _done(number: int, asked: int, what: str, as_json: bool) -> int:
    if as_json:
        _output.emit_json({"messages": number})
    else:
        _output.emit(f"{number} {'message was' if number == 1 else 'messages were'} {what}.")
    if number >= asked:
        return 0
    state, less = "held" if what == "released" else "in the queue", asked - number
    _output.note(f"{less} of {asked} {'is' if less == 1 else 'are'} not {state}: posthouse queue list")
    return 1
