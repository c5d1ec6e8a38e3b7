"""Teaching a folder goes on where it was cut off, and says what became of every message."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any, cast

import pytest

from posthouse.errors import PosthouseError
from posthouse.spam import bulk
from posthouse.spam.folder import Mailbox
from posthouse.spam.model import Kind, Learned, Outcome, Silent, Verdict


class Memory:
    """A filter that learns each message once, and falls silent after `patience` of them."""

    record = "X-Nothing"

    def __init__(self) -> None:
        self.taught: list[bytes] = []
        self.patience = 1000

    def teach(self, kind: Kind, message: bytes) -> Outcome:
        if message == b"refused":
            raise PosthouseError("too large")
        if self.patience == 0:
            raise Silent("gone")
        self.patience -= 1
        if message in self.taught:
            return "known"
        self.taught.append(message)
        return "learned"

    def learned(self) -> Learned:
        return Learned(len(self.taught), 0, 200)

    def verdict(self, headers: Message) -> Verdict | None:
        return None


class Folder:
    """A folder that holds these messages, by UID."""

    def __init__(self, messages: dict[int, bytes], validity: int = 1) -> None:
        self.held, self.validity = messages, validity

    def open(self, folder: str) -> int:
        return self.validity

    def uids(self) -> list[int]:
        return sorted(self.held)

    def messages(self, uids: list[int]) -> Iterator[tuple[int, bytes]]:
        return ((uid, self.held[uid]) for uid in uids)


@pytest.fixture
def chain() -> Memory:
    return Memory()


def teach(chain: Memory, folder: Folder, where: Path, kind: Kind = "ham", **how: Any) -> bulk.Count:
    notes = bulk.Notes("you@example.org", where)
    return bulk.teach(chain, kind, cast(Mailbox, folder), "INBOX", notes, lambda _: None, **how)


def test_it_goes_on_where_the_filter_fell_silent(chain: Memory, tmp_path: Path) -> None:
    folder = Folder({uid: b"%d" % uid for uid in range(1, 8)})
    chain.patience = 3
    with pytest.raises(Silent):
        teach(chain, folder, tmp_path)
    chain.patience = 4  # as many as are left: none is taught again
    assert teach(chain, folder, tmp_path) == bulk.Count(there=7, learned=4, known=3, short=0, refused=0)
    assert len(chain.taught) == 7
    assert teach(chain, folder, tmp_path).known == 7


def test_one_that_is_refused_stops_nothing(chain: Memory, tmp_path: Path) -> None:
    found = teach(chain, Folder({1: b"a", 2: b"refused", 3: b"b"}), tmp_path)
    assert found == bulk.Count(there=3, learned=2, known=0, short=0, refused=1)


@pytest.mark.parametrize("change", [{"kind": "spam"}, {"again": True}])
def test_the_other_kind_begins_anew(chain: Memory, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = Folder({1: b"a"})
    teach(chain, folder, tmp_path)
    chain.taught.clear()
    assert teach(chain, folder, tmp_path, **change).learned == 1


def test_a_folder_that_was_made_anew_begins_anew(chain: Memory, tmp_path: Path) -> None:
    teach(chain, Folder({1: b"a"}, validity=1), tmp_path)
    assert teach(chain, Folder({1: b"b"}, validity=2), tmp_path).learned == 1


def test_notes_that_cannot_be_read_are_no_traceback(chain: Memory, tmp_path: Path) -> None:
    (tmp_path / "you@example.org.json").write_text("{broken")
    with pytest.raises(PosthouseError, match="expected JSON"):
        teach(chain, Folder({1: b"a"}), tmp_path)
