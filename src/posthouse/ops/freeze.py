"""Freeze an account whose password somebody else has, and thaw it: no login, nothing sent, nothing lost.

What the account submitted and has not left yet is put on hold; which messages these are is kept in a file, so
that thawing lets go what freezing has held, and nothing that is on hold for another reason. Mail for the account
goes on being delivered. Said again after it was cut off, both go on where they were.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from posthouse import directory, paths
from posthouse.directory import Connection, accounts
from posthouse.errors import PosthouseError
from posthouse.host import files
from posthouse.mailboxes import dovecot
from posthouse.mailflow import submitted

# A login that was found right before the change of the directory is a session a moment later.
_AGAIN_SECONDS = 1.0
_GOING = ("incoming", "active", "deferred", "maildrop")


def freeze(address: str) -> int:
    """Freeze an account, end its sessions and hold its mail; return how many messages are held.

    Raises:
        UsageError: no such account.
        PosthouseError: the directory or Postfix cannot be asked. Logins are barred first.
    """

    def bar(connection: Connection) -> tuple[str, list[str]]:
        found = accounts.change(connection, address, frozen=True).address
        accounts.end_sessions(connection, found)
        return found, _domains(connection)

    account, domains = directory.writing(bar)
    paths.FROZEN.mkdir(mode=0o700, exist_ok=True)
    held = _held(account)
    for last in (False, True):
        dovecot.kick(account)
        going = submitted.by(account, _GOING, domains)
        held |= set(going)
        _keep(account, held)
        submitted.hold(going)
        if not last:
            time.sleep(_AGAIN_SECONDS)
    return len(held & set(submitted.by(account, ("hold",), domains)))


def thaw(address: str) -> int:
    """Let an account log in again and what freezing held go on; return how many messages go on.

    Raises:
        UsageError: no such account.
        PosthouseError: the directory or Postfix cannot be asked.
    """

    def let(connection: Connection) -> tuple[str, list[str]]:
        return accounts.change(connection, address, frozen=False).address, _domains(connection)

    account, domains = directory.writing(let)
    # A queue id may be another message's by now: only what is held and the account's goes on.
    going = _held(account) & set(submitted.by(account, ("hold",), domains))
    submitted.release(going)
    _file(account).unlink(missing_ok=True)
    return len(going)


def end_sessions(address: str) -> None:
    """End an account's sessions of IMAP, POP3 and ManageSieve; submission is ended by the directory's mark."""
    dovecot.kick(address)
    time.sleep(_AGAIN_SECONDS)
    dovecot.kick(address)


def _domains(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT domain FROM transport").fetchall()]


def _file(account: str) -> Path:
    return paths.FROZEN / account


def _held(account: str) -> set[str]:
    try:
        return set(json.loads(_file(account).read_text()))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise PosthouseError(
            f"{_file(account)}: what is held for {account} cannot be read: {error}",
            "`postqueue -p` lists what is on hold; remove the file, and say it again",
        ) from error


def _keep(account: str, held: set[str]) -> None:
    files.write_atomic(_file(account), json.dumps(sorted(held)).encode(), mode=0o600)
