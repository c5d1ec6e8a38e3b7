"""Carry a mailbox over to the other format while mail flows, so that it may be killed at any instant.

1. *copy*: dsync fills the draft beside the new place, as often as need be, and all texts are compared. Sessions and
   deliveries go on. Killed here, the same said again goes on from the draft.
2. *close*: a mark is left, and the directory says `closed`: deliveries get 4xx, nobody can log in, sessions are ended.
   For whoever was let in before, the live place becomes a closed door in one step; then it is awaited that no process
   has anything of the mailbox open. Nothing can be written to it from here on.
3. *last*: what came since is copied, and the whole is compared once more.
4. *switch*: the draft takes the new place, and one UPDATE in the directory makes that the live one, and opens it.

Killed between 2 and 4, `recover` takes the close back: it is said by a watcher, at once and until it succeeds (the
directory may be away), by Dovecot's start, and by the next conversion. After the UPDATE nothing is left to do. The old
copy stays until `forget`.
"""

from __future__ import annotations

import imaplib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from posthouse import directory, paths
from posthouse.directory import accounts
from posthouse.errors import PosthouseError, UsageError
from posthouse.host import files
from posthouse.host.accounts import drop_to
from posthouse.host.holders import Holder, holders
from posthouse.host.lock import exclusive
from posthouse.host.pipes import afterwards
from posthouse.host.run import CommandFailed
from posthouse.mailboxes import compare, dovecot, places
from posthouse.mailboxes.dovecot import Store
from posthouse.mailboxes.places import Format, Place

Note = Callable[[str], None]
T = TypeVar("T")

_LOCK = paths.STATE / "conversion.lock"
_WAIT = 3600.0
_RECOVER_WAIT = 10.0
_SPARE = 100 << 20  # bytes that stay free on the file system
_DRAIN_SECONDS = 60.0
_POLL_SECONDS = 0.1
# Dovecot's programs that have a mailbox open for somebody.
_SESSIONS = ("imap", "pop3")
_PROGRAMS = (*_SESSIONS, "lmtp", "doveadm", "quota-status", "imap-hibernate", "indexer-worker")


@dataclass(frozen=True)
class Leftover:
    """What conversions left of an account. `kept` and `draft` in bytes, None where there is none."""

    address: str
    format: str
    closed: bool
    draft: int | None
    kept: int | None


class _Unusable(PosthouseError):
    """The copy is not what the mailbox is, or one of them cannot be read."""


def convert(address: str, to: Format, note: Note) -> bool:
    """Carry an account's mail over; False where it is in that format already.

    Raises:
        UsageError: no such account, or something is in the way; nothing was done.
        PosthouseError: it could not be done; the mailbox is as it was, and the same said again goes on.
    """
    with exclusive(_LOCK, _WAIT, note):
        return _convert(address, to, note)


def _convert(address: str, to: Format, note: Note) -> bool:
    account = _recovered(address, note)
    if account.format == to:
        return False
    source, target = places.of(account.path, account.format), places.of(account.path, to)
    _nothing_in_the_way(account.address, source, target)
    begun = _as_store(target.draft.exists)
    try:
        _carry(account.address, source, target, note)
    except _Unusable:
        if not begun:
            raise
        # Of an earlier run: after a power cut dsync may take it for newer than the mailbox is.
        note(f"{account.address}: the unfinished copy cannot be used; beginning anew")
        _as_store(lambda: places.remove_draft(target))
        _carry(account.address, source, target, note)
    return True


def _carry(address: str, source: Place, target: Place, note: Note) -> None:
    """Steps 1 to 4. _Unusable, PosthouseError: the mailbox is as it was."""
    from_live = Store(address, source, source.live)
    draft = Store(address, target, target.draft)
    known: compare.Known = {}
    note(f"{address}: copying to {target.format}; mail flows")
    # A dsync of a run that was killed; what it held would be waited for.
    _await_nobody([target.draft, *filter(None, [target.indexes(target.draft)])], address)
    _as_store(lambda: places.unlock_draft(target))
    _copy_and_read(from_live, draft, known, note)
    with afterwards(_opener(address)):
        _mark(address, target.format)
        try:
            note(f"{address}: closing it for the last of its mail")
            directory.writing(lambda connection: accounts.set_closed(connection, address, True))
            dovecot.kick(address)
            _as_store(lambda: places.close(source))
            opened = [source.kept, *filter(None, [source.indexes(source.kept)])]
            _await_nobody(opened, address)
            from_kept = Store(address, source, source.kept)
            dovecot.copy(from_kept, draft)
            _same(from_kept, draft, known)
            os.sync()
            _as_store(lambda: places.install(target))
            directory.writing(lambda connection: accounts.set_format(connection, address, target.format))
        except BaseException:
            try:
                _recover(address, note)
            except PosthouseError as error:
                note(f"{address}: closed until it can be opened again, which is tried all the time: {error}")
            raise
        dovecot.kick(address)  # whoever logged in between the lookup and the door
        _unmark(address)


def undo(address: str, note: Note) -> None:
    """Take back what a conversion that did not come to its end has left. UsageError: no such account."""
    with exclusive(_LOCK, _WAIT, note):
        account = _recovered(address, note)
        _await_nobody([places.of(account.path, form).draft for form in places.FORMATS], account.address)
        for form in places.FORMATS:
            _as_store(partial(places.remove_draft, places.of(account.path, form)))


def recover(note: Note) -> None:
    """Open again whatever a conversion that was killed left closed.

    Raises:
        Busy: a conversion is at work, and looks after itself.
        PosthouseError: the directory is away.
    """
    with exclusive(_LOCK, _RECOVER_WAIT):
        for mark in _marks():
            _recover(mark.name, note)


def forget(address: str) -> int:
    """Remove the old copy that a conversion kept, and return its bytes.

    Raises:
        UsageError: no such account, or there is no old copy.
    """
    with exclusive(_LOCK, _WAIT):
        account = _recovered(address, lambda _: None)
        old = next(form for form in places.FORMATS if form != account.format)
        place = places.of(account.path, old)

        def work() -> int | None:
            if not place.kept.exists():
                return None
            size = places.size(place.kept)
            places.remove(place.kept)
            if (indexes := place.indexes(place.kept)) is not None:
                places.remove(indexes)
            return size

        size = _as_store(work)
    if size is None:
        raise UsageError(
            f"{account.address}: there is no old copy", "posthouse mailbox list shows what is there"
        )
    return size


def leftovers() -> list[Leftover]:
    """Return the accounts that have a draft or an old copy, or are closed."""
    known = directory.reading(accounts.list)
    marked = {mark.name for mark in _marks()}

    def size(path: Path) -> int | None:
        return places.size(path) if path.exists() and not places.closed(path) else None

    def work() -> list[Leftover]:
        found = []
        for account in known:
            now = places.of(account.path, account.format)
            other = next(places.of(account.path, f) for f in places.FORMATS if f != account.format)
            copies = [size(place.kept) for place in (now, other)]
            kept = next((bytes_ for bytes_ in copies if bytes_ is not None), None)
            one = Leftover(
                account.address,
                account.format,
                account.address in marked or places.closed(now.live),
                size(other.draft),
                kept,
            )
            if one.closed or one.draft is not None or one.kept is not None:
                found.append(one)
        return found

    return _as_store(work)


def _as_store(function: Callable[[], T]) -> T:
    return drop_to(paths.STORE_USER, function)


# -- the parts of a conversion ----------------------------------------------------------------------------------


def _nothing_in_the_way(address: str, source: Place, target: Place) -> None:
    """UsageError where a place that is needed is not free, or the file system has no room."""
    inside = directory.reading(lambda connection: accounts.nested(connection, address))
    if inside:
        raise UsageError(
            f"{address}: the mail of {inside[0]} lies inside its own folder, or the other way round",
            "Such accounts cannot be converted.",
        )

    def look() -> tuple[bool, bool, int, int]:
        source.live.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(target.live.parent).free
        there = places.size(target.draft) if target.draft.exists() else 0
        old_copy = source.kept.exists() and not places.closed(source.kept)
        return old_copy, places.holds_mail(target.live), places.size(source.live) - there, free

    old_copy, taken, size, free = _as_store(look)
    if old_copy:
        raise UsageError(
            f"{address}: the old copy of an earlier conversion is in {source.kept}",
            f"Remove it for good: posthouse mailbox forget {address}",
        )
    if taken:
        raise UsageError(
            f"{address}: expected nothing in {target.live}, found mail that no account uses",
            "Look at it, and move it away.",
        )
    if size + _SPARE > free:
        raise UsageError(
            f"{address}: expected {(size + _SPARE) >> 20} MiB free for {target.live.parent}, found {free >> 20} MiB",
            "Make room, and say the same again.",
        )


def _copy_and_read(source: Store, draft: Store, known: compare.Known, note: Note) -> None:
    try:
        dovecot.copy(source, draft)
    except CommandFailed:
        # Cut off within the first moments of a folder, dsync leaves one that it cannot go on with.
        note(f"{source.address}: the unfinished copy cannot be used; beginning anew")
        _as_store(lambda: places.remove_draft(draft.place))
        dovecot.copy(source, draft)
    last = time.monotonic()

    def progress(done: int, of: int) -> None:
        nonlocal last
        if done == of or time.monotonic() - last > 1:
            last = time.monotonic()
            note(f"{source.address}: {done} of {of} folders read and compared")

    with _read(source) as one, _read(draft) as other:
        compare.read_beforehand(one, other, known, progress)
    dovecot.copy(source, draft)


def _same(source: Store, draft: Store, known: compare.Known) -> None:
    """_Unusable where a client would see a difference."""
    with _read(source) as one, _read(draft) as other:
        found = compare.differences(one, other, known)
    if found:
        raise _Unusable(
            f"{source.address}: the copy is not what the mailbox is: {'; '.join(found[:5])}",
            "the mailbox is as it was; posthouse mailbox convert --undo removes the copy",
        )


class _read:
    """`compare.view`, with imaplib's errors in the operator's words."""

    def __init__(self, store: Store) -> None:
        self._store, self._view = store, compare.view(store)

    def __enter__(self) -> compare.View:
        try:
            return self._view.__enter__()
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._failed(error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._view.__exit__(kind, error, trace)  # type: ignore[arg-type]
        except (imaplib.IMAP4.error, OSError) as failed:
            raise self._failed(failed) from failed

    def _failed(self, error: Exception) -> _Unusable:
        return _Unusable(f"{self._store.mail}: Dovecot cannot read it: {error}")


def _await_nobody(folders: list[Path] | tuple[Path, ...], address: str) -> None:
    """Return when no process has anything below the folders open; end what sessions still do.

    Raises:
        PosthouseError: somebody goes on, or the kernel does not tell.
    """
    deadline = time.monotonic() + _DRAIN_SECONDS
    ended: set[Holder] = set()
    while there := holders(folders, _PROGRAMS):
        for holder in there:
            if holder.name in _SESSIONS and holder not in ended:
                _end(holder)
                ended.add(holder)
        if time.monotonic() > deadline:
            names = ", ".join(f"{holder.name} ({holder.pid})" for holder in there)
            raise PosthouseError(
                f"{address}: still in use after {_DRAIN_SECONDS:.0f} seconds by {names}", "say the same again"
            )
        time.sleep(_POLL_SECONDS)


def _end(holder: Holder) -> None:
    with suppress(ProcessLookupError):
        os.kill(holder.pid, signal.SIGTERM)


# -- what survives being killed ---------------------------------------------------------------------------------


def _marks() -> list[Path]:
    return sorted(paths.CONVERSIONS.glob("*@*")) if paths.CONVERSIONS.is_dir() else []


def _mark(address: str, to: Format) -> None:
    paths.CONVERSIONS.mkdir(mode=0o700, exist_ok=True)
    files.write_atomic(paths.CONVERSIONS / address, json.dumps({"to": to}).encode(), mode=0o600)
    files.sync_folder(paths.CONVERSIONS.parent)


def _opener(address: str) -> list[str]:
    """What is run when a conversion has ended in any way: nothing where it put all right itself.

    The directory may be away, or the next conversion of a row be at work.
    """
    loop = 'while [ -e "$1" ]; do "$2" mailbox recover; sleep 10; done'
    return ["/bin/sh", "-c", loop, "sh", str(paths.CONVERSIONS / address), str(paths.COMMAND)]


def _unmark(address: str) -> None:
    (paths.CONVERSIONS / address).unlink(missing_ok=True)


def _recovered(address: str, note: Note) -> accounts.Account:
    """Return the account, after whatever an earlier conversion left undone is put right."""
    account = directory.reading(lambda connection: accounts.get(connection, address))
    if (paths.CONVERSIONS / account.address).exists():
        _recover(account.address, note)
    elif _as_store(lambda: places.closed(places.of(account.path, account.format).live)):
        _follow_the_mail(account, note)
    return directory.reading(lambda connection: accounts.get(connection, address))


def _recover(address: str, note: Note) -> None:
    """Open a mailbox that a conversion closed, unless it came to its end."""
    to = json.loads((paths.CONVERSIONS / address).read_text())["to"]
    try:
        account = directory.reading(lambda connection: accounts.get(connection, address))
    except UsageError:
        account = None  # removed meanwhile
    if account is not None and account.format != to:
        source, target = places.of(account.path, account.format), places.of(account.path, to)
        # Nobody has written there: it is no live place until the directory says so.
        _as_store(lambda: places.uninstall(target))
        _as_store(lambda: places.reopen(source))
        directory.writing(lambda connection: accounts.set_closed(connection, address, False))
        note(f"{address}: the conversion was cut off; the mailbox is open again, as {account.format}")
    _unmark(address)


def _follow_the_mail(account: accounts.Account, note: Note) -> None:
    """The directory names a format whose place was closed for good: an older directory was put back."""
    other = next(form for form in places.FORMATS if form != account.format)
    if not _as_store(lambda: places.holds_mail(places.of(account.path, other).live)):
        raise PosthouseError(
            f"{account.address}: {places.of(account.path, account.format).live} is closed, and its mail is nowhere"
        )
    directory.writing(lambda connection: accounts.set_format(connection, account.address, other))
    note(f"{account.address}: its mail is in {other}, and the directory says so again")
