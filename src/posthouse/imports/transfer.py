"""Bring folders from a source into a mailbox: resumable, nothing twice, counted at the end.

A message is known by its key at the source (a UID, a file's name, a digest), noted in the journal with the UID that
it got here. What may have been put there without a note (this process was killed) is recognised by its content, and
so is what came before from another source, or under another UIDVALIDITY.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from posthouse.errors import PosthouseError
from posthouse.imports import mail, names
from posthouse.imports.imap_client import Away
from posthouse.imports.journal import Entry, Journal, Place
from posthouse.imports.mail import Folder, Message, Source
from posthouse.imports.store import Refused, Store

_MESSAGES, _BYTES = 100, 8 * 2**20  # of a batch: one transaction here
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Wanted:
    """What the operator chose.

    `renamed`: local folder for a foreign path; `skip`: foreign paths to leave out; `follow`: remove here what was
    brought and has gone from the source since.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    skip: frozenset[str] = frozenset()
    follow: bool = False


@dataclass
class Count:
    """What became of one folder.

    `there`: messages at the source, `here`: those of them that are in the local folder now; `new`: brought by this
    run; `deleted`: brought once, and deleted here since; `gone`: brought once, and gone from the source since, still
    here unless `removed`; `refused`: why a message or the folder was not taken.
    """

    folder: str
    target: str
    there: int = 0
    here: int = 0
    new: int = 0
    deleted: int = 0
    gone: int = 0
    removed: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every message of the source is here, but for those that were deleted here."""
        return not self.refused and self.there == self.here + self.deleted


def chosen(source: Source, store: Store, wanted: Wanted) -> list[tuple[Folder, str]]:
    """Return the folders to bring, each with its local name."""
    folders = [folder for folder in source.folders() if not _left_out(folder, wanted.skip)]
    targets = names.targets(folders, store.separator, store.special, wanted.renamed)
    return [(folder, targets[folder.key]) for folder in folders]


def bring(
    source: Source,
    store: Store,
    journal: Journal,
    folders: Sequence[tuple[Folder, str]],
    wanted: Wanted,
    advance: Advance,
) -> list[Count]:
    """Bring folders, and return what became of each.

    Raises:
        Away: a connection broke; the same call goes on with a new one.
        PosthouseError: the source cannot be read, or the mailbox takes nothing (it is full).
    """
    return [_Run(source, store, journal, wanted, advance).folder(*one) for one in folders]


def _left_out(folder: Folder, skip: frozenset[str]) -> bool:
    return any("/".join(folder.path[:length]) in skip for length in range(1, len(folder.path) + 1))


class _Run:
    def __init__(
        self, source: Source, store: Store, journal: Journal, wanted: Wanted, advance: Advance
    ) -> None:
        self.source = source
        self.store = store
        self.journal = journal
        self.wanted = wanted
        self.advance = advance

    def folder(self, folder: Folder, target: str) -> Count:
        """Bring one folder."""
        count = Count("/".join(folder.path), target)
        try:
            self.store.make(target, folder.subscribed)
            state = self.store.select(target)
            validity, messages = self.source.messages(folder)
        except Away:
            raise
        except PosthouseError as error:
            count.refused.append(error.message)
            count.there = folder.count
            self.advance(folder.count)
            return count
        place = Place(self.source.name, folder.key, validity, target)
        unknown = self.journal.begin(target, state.validity, state.uidnext)
        known = self.journal.entries(place)
        claims = self._claims(target, known, unknown)
        new = [message for message in messages if message.key not in known]
        self.advance(len(messages) - len(new))
        for batch in _batches(new):
            self._batch(folder, place, batch, claims, count)
        self.journal.end(target)
        self._flags(place, messages, known)
        self._gone(place, messages, known, count)
        self._count(place, messages, count)
        return count

    def _claims(self, target: str, known: Mapping[str, Entry], unknown: int | None) -> dict[bytes, list[int]]:
        """UIDs of messages here that a new one of the source may turn out to be, by content."""
        here = self.store.uids()
        noted = self.journal.digests(target)
        ours = {entry.uid for entry in known.values()}
        found = {uid: digest for uid, digest in noted.items() if uid in here and uid not in ours}
        if unknown is not None:
            found.update(self.store.digests(uid for uid in here if uid >= unknown and uid not in noted))
        claims: dict[bytes, list[int]] = defaultdict(list)
        for uid in sorted(found):
            claims[found[uid]].append(uid)
        return claims

    def _batch(
        self,
        folder: Folder,
        place: Place,
        batch: Sequence[Message],
        claims: dict[bytes, list[int]],
        count: Count,
    ) -> None:
        fresh: list[tuple[Message, bytes]] = []
        found: list[Entry] = []
        for message, data in self.source.contents(folder, batch):
            digest = mail.digest(data)
            if claims.get(digest):
                found.append(Entry(message.key, digest, message.flags, claims[digest].pop(0)))
            else:
                fresh.append((message, data))
        self.journal.add(place, found)
        self._append(place, fresh, count)
        self.advance(len(batch))

    def _append(self, place: Place, fresh: Sequence[tuple[Message, bytes]], count: Count) -> None:
        """Put messages there and note it; where one of them is refused, each by itself."""
        if not fresh:
            return
        try:
            uids = self.store.append(fresh)
        except Refused as error:
            if error.hint is not None:
                raise  # full: no other one would be taken
            if len(fresh) == 1:
                count.refused.append(f"message {fresh[0][0].key}: {error.message}")
                return
            for one in fresh:
                self._append(place, [one], count)
            return
        self.journal.add(
            place,
            (
                Entry(message.key, mail.digest(data), message.flags, uid)
                for (message, data), uid in zip(fresh, uids, strict=True)
            ),
        )
        count.new += len(uids)

    def _flags(self, place: Place, messages: Sequence[Message], known: Mapping[str, Entry]) -> None:
        """Bring flags that have changed at the source since the last run."""
        changes: dict[tuple[frozenset[str], frozenset[str]], list[Entry]] = defaultdict(list)
        for message in messages:
            entry = known.get(message.key)
            if entry is not None and entry.flags != message.flags:
                now = Entry(entry.key, entry.digest, message.flags, entry.uid)
                changes[message.flags - entry.flags, entry.flags - message.flags].append(now)
        for (add, take), entries in changes.items():
            self.store.change([entry.uid for entry in entries], add, take)
            self.journal.add(place, entries)

    def _gone(
        self, place: Place, messages: Sequence[Message], known: Mapping[str, Entry], count: Count
    ) -> None:
        there = {message.key for message in messages}
        gone = [entry for key, entry in known.items() if key not in there]
        count.gone = len(gone)
        if gone and self.wanted.follow:
            self.store.remove(sorted(entry.uid for entry in gone))
            self.journal.forget(place, [entry.key for entry in gone])
            count.removed = len(gone)

    def _count(self, place: Place, messages: Sequence[Message], count: Count) -> None:
        """Look at what is really in the folder now."""
        here = self.store.uids()
        entries = self.journal.entries(place)
        noted = [entries[message.key].uid for message in messages if message.key in entries]
        count.there = len(messages)
        count.here = len({uid for uid in noted if uid in here})
        count.deleted = sum(uid not in here for uid in noted)


def _batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    size = 0
    for message in messages:
        if batch and (len(batch) >= _MESSAGES or size + message.size > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.size
    if batch:
        yield batch
