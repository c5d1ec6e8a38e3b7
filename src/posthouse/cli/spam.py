"""`posthouse spam`: what the filter learned, why it judged a message as it did, and teaching it.

JSON of `status`: {"filter", "spam", "ham", "needed", "judges"}. Of `lists`: {"when" (Unix time, or null), "silence",
"lists": {ZONE: {"why" ("": it is asked), "since"}}}. Of `why`: {"junk", "score", "needed", "forced",
"rules": [{"name", "points", "evidence", "words"}], "said": [sentences]}. Of `learn`: {"there", "learned", "known",
"short", "refused"}.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.directory import accounts
from posthouse.errors import PosthouseError, UsageError

if TYPE_CHECKING:
    from email.message import Message

    from posthouse.spam.model import Filter, Learned

_BYTES = 2**20  # of a message on stdin or in a file: its headers are what counts


@click.group()
def spam() -> None:
    """See what the filter learned and why it judged, and teach it."""


@spam.command()
@_directory.JSON
def status(as_json: bool) -> None:
    """Say how many messages the filter learned, and how many it needs to judge by them."""
    from posthouse.spam import explain

    _output.require_root()
    name, chain = _filter()
    found = chain.learned()
    if as_json:
        _output.emit_json({"filter": name, **_directory.as_dict(found), "judges": found.judges})
        return
    _output.emit(f"{name} learned {found.spam:,} spam and {found.ham:,} ham.")
    if found.judges:
        _output.emit("It judges by them.")
    else:
        _output.emit(f"{explain.needs(found)} before it judges by them.")
        _output.emit("Moves into and out of Junk teach it, and: posthouse spam learn ham ACCOUNT INBOX")


@spam.command()
@click.option("--check", is_flag=True, help="Ask them now: what is said each day by itself.")
@_directory.JSON
def lists(check: bool, as_json: bool) -> None:
    """Show which block lists are asked, and which are off because they answer wrongly."""
    from posthouse.ops import lists as ops

    if check:
        _output.require_root()
        site = _directory.site()
        if site is None:
            raise UsageError("There is no mail service here yet.", "Begin with: posthouse up DOMAIN")
        found: ops.Found | None = ops.check(site, _output.note)
    else:
        found = ops.last()
    if as_json:
        shown = {
            zone: {"why": one.why, "since": one.since} for zone, one in (found.lists if found else {}).items()
        }
        _output.emit_json(
            {"when": found and found.when, "silence": bool(found and found.silence), "lists": shown}
        )
    elif found is None:
        _output.note("They were not asked yet; they are every day. Now: sudo posthouse spam lists --check")
    else:
        if found.silence:
            _output.note("No list answers: can this host reach port 53 of others? Nothing was changed.")
        rows = [
            (zone, f"off: it {one.why}" if one.why else "asked") for zone, one in sorted(found.lists.items())
        ]
        if rows:
            _output.emit(_output.table(rows, ("LIST", "STATE")))


@spam.command()
@click.argument("message")
@click.option("--account", metavar="ADDRESS", help="Whose message it is, for a Message-ID.")
@_directory.JSON
def why(message: str, account: str | None, as_json: bool) -> None:
    """Say in words why MESSAGE was judged as it was.

    MESSAGE is a file, "-" for stdin, or with --account a Message-ID. It is read from the record that the filter
    wrote into the message when it came.
    """
    from posthouse.spam import explain

    _, chain = _filter()
    verdict = chain.verdict(_headers(message, account, chain.record))
    if verdict is None:
        raise PosthouseError(
            "the filter wrote nothing into this message",
            "Mail of our own users is not judged, nor is what came from another server's mailbox.",
        )
    said = list(explain.advice(verdict, _learned(chain)))
    rules = explain.counted(verdict)
    if as_json:
        shown = _directory.as_dict(verdict)
        shown["forced"] = verdict.forced and verdict.forced.name
        _output.emit_json({**shown, "said": [explain.headline(verdict), *said]})
        return
    _output.emit(explain.headline(verdict))
    _output.emit()
    if rules:
        rows = [(f"{r.points:+.1f}", r.name, r.words, r.evidence) for r in rules]
        _output.emit(_output.table(rows, ("POINTS", "RULE", "WHAT IT SAYS", "FOUND")))
        _output.emit()
    for sentence in said:
        _output.emit(sentence)


@spam.command()
@click.argument("kind", type=click.Choice(["spam", "ham"]))
@click.argument("account")
@click.argument("folder")
@click.option("--again", is_flag=True, help="Also what this command taught before.")
@_directory.JSON
def learn(kind: str, account: str, folder: str, again: bool, as_json: bool) -> None:
    """Teach the filter all messages of a folder, as spam or as ham.

    Cut off or said again, it goes on where it ended. What is known already is counted, and not learned twice.
    """
    from posthouse.cli._progress import progress
    from posthouse.spam import bulk
    from posthouse.spam import folder as folders

    _output.require_root()
    address = directory.reading(lambda connection: accounts.get(connection, account)).address
    _, chain = _filter()
    with folders.opened(address) as mailbox:
        mailbox.open(folder)
        with progress(f"{address}, {folder}", len(mailbox.uids())) as advance:
            found = bulk.teach(
                chain,
                "spam" if kind == "spam" else "ham",
                mailbox,
                folder,
                bulk.Notes(address),
                advance,
                again=again,
            )
    if as_json:
        _output.emit_json(_directory.as_dict(found))
        return
    rest = [f"{found.known:,} known already"] if found.known else []
    rest += [f"{found.short:,} too short to learn from"] if found.short else []
    rest += [f"{found.refused:,} not taken by the filter"] if found.refused else []
    more = f" ({', '.join(rest)})" if rest else ""
    _output.emit(f"{found.learned:,} of {found.there:,} messages in {folder} learned as {kind}{more}.")


def _filter() -> tuple[str, Filter]:
    from posthouse.spam import chosen

    site = _directory.site()
    if site is None:
        raise UsageError("There is no mail service here yet.", "Begin with: posthouse up DOMAIN")
    return site.filter, chosen(site.filter)


def _learned(chain: Filter) -> Learned | None:
    """Return what was learned, for root; who reads a file may be anybody."""
    try:
        return chain.learned() if os.geteuid() == 0 else None
    except PosthouseError:
        return None


def _headers(message: str, account: str | None, record: str) -> Message:
    from posthouse.spam import folder as folders

    if account is not None:
        _output.require_root()
        address = directory.reading(lambda connection: accounts.get(connection, account)).address
        with folders.opened(address) as mailbox:
            wanted = f"<{message.strip().strip('<>')}>"
            return folders.first_with(mailbox.find(wanted), record)[1]
    if message == "-":
        return folders.headers(sys.stdin.buffer.read(_BYTES))
    try:
        with Path(message).open("rb") as stream:
            return folders.headers(stream.read(_BYTES))
    except FileNotFoundError:
        hint = "For a Message-ID say whose: posthouse spam why --account ADDRESS MESSAGE-ID"
        raise UsageError(f"{message}: there is no such file", hint) from None
