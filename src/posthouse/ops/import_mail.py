"""Bring mail from a source into an account: one run that goes on by itself where a connection breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from posthouse import directory
from posthouse.directory import accounts
from posthouse.errors import UsageError
from posthouse.imports import journal, store, transfer
from posthouse.imports.imap_client import Away
from posthouse.imports.journal import Journal
from posthouse.imports.mail import Folder, Source
from posthouse.imports.transfer import Count, Wanted

Open = Callable[[], AbstractContextManager[Source]]
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_TRIES, _WAIT = 4, 2.0  # in vain one after the other, and seconds before the second; doubled each time


def check(account: str) -> str:
    """Return the account's address. UsageError where it is not here, or is disabled."""
    found = directory.reading(lambda connection: accounts.get(connection, account))
    if not found.active:
        raise UsageError(f"the account {account} is disabled", f"posthouse user change {account} --enable")
    return found.address


def look(account: str, open_source: Open, wanted: Wanted) -> list[tuple[Folder, str]]:
    """Return what would be brought where, and bring nothing."""
    with open_source() as source, store.opened(account) as box:
        return transfer.chosen(source, box, wanted)


def bring(
    account: str, open_source: Open, wanted: Wanted, progress: Progress, note: Callable[[str], None]
) -> list[Count]:
    """Bring everything that the source has and the account has not, and count it.

    Raises:
        PosthouseError: the source cannot be read, or the mailbox takes nothing; what was brought is noted, and
            the same call goes on from there.
    """
    with journal.opened(account) as log:
        tries, before = 0, log.size()
        while True:
            try:
                return _once(account, open_source, wanted, progress, log)
            except Away as error:
                tries = 1 if log.size() > before else tries + 1
                if tries >= _TRIES or log.size() == before == 0:
                    raise
                before = log.size()
                note(f"{error.message}; trying again")
                time.sleep(_WAIT * 2 ** (tries - 1))


def _once(account: str, open_source: Open, wanted: Wanted, progress: Progress, log: Journal) -> list[Count]:
    with open_source() as source, store.opened(account) as box:
        folders = transfer.chosen(source, box, wanted)
        with progress(account, sum(folder.count for folder, _ in folders)) as advance:
            return transfer.bring(source, box, log, folders, wanted, advance)
