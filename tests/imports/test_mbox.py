"""mbox files: what was written is read, whoever wrote it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.errors import UsageError
from posthouse.imports import jobs, mbox
from posthouse.imports.mail import Folder
from posthouse.imports.mbox import Letter, Mboxes

HEAD = b"From a@b.example Sat Jan  3 01:05:34 1998\n"


def parse(data: bytes) -> list[Letter]:
    return list(mbox.parse(io.BytesIO(data)))


def written(message: bytes) -> bytes:
    """mboxrd: https://www.jwz.org/doc/content-length.html, and "From " quoted at every depth."""
    head, blank, body = message.partition(b"\n\n")
    return HEAD + head + blank + re.sub(rb"^(>*From )", rb">\1", body, flags=re.MULTILINE) + b"\n"


LINES = st.lists(
    st.one_of(
        st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")),
        st.sampled_from(
            [
                b"From ",
                b">From x",
                b">>From ",
                b"",
                b"From a@b.example Sat Jan  3 01:05:34 1998",
                b"Status: RO",
            ]
        ),
    ),
    max_size=8,
)


@given(st.lists(LINES, max_size=4))
def test_what_was_quoted_comes_back(bodies: list[list[bytes]]) -> None:
    messages = [b"Subject: x\n\n" + b"".join(line + b"\n" for line in lines) for lines in bodies]
    found = parse(b"".join(written(message) for message in messages))
    assert [letter.data for letter in found] == messages


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_file(data: bytes) -> None:
    for letter in (*parse(data), *parse(HEAD + data)):
        assert letter.data.strip()


def test_flags_and_dates() -> None:
    data = (
        HEAD + b"Status: RO\nX-Status: AF\nX-Keywords: $Label1 NonJunk\nX-UID: 7\nSubject: one\n\nBody\n\n"
        b"From - Mon Jan 01 00:00:00 2001\nX-Mozilla-Status: 0003\nX-Mozilla-Status2: 00000000\nSubject: two\n\nx\n\n"
        b"From - Mon Jan 01 00:00:00 2001\nX-Mozilla-Status: 0009\nSubject: deleted\n\nx\n\n"
        b"From a@b.example Sat Jan  3 01:05:34 1998 +0100\nReceived: one\n two\nStatus: O\n more\nSubject: three\n\nx"
    )
    one, two, three = parse(data)
    assert one.flags == {"\\Seen", "\\Answered", "\\Flagged", "$Label1", "NonJunk"}
    assert one.data == b"Subject: one\n\nBody\n"
    assert one.date is not None
    assert one.date.isoformat() == "1998-01-03T01:05:34+00:00"
    assert (two.flags, two.data) == ({"\\Seen", "\\Answered"}, b"Subject: two\n\nx\n")
    assert (three.flags, three.data) == (frozenset(), b"Received: one\n two\nSubject: three\n\nx")
    assert three.date is not None
    assert three.date.isoformat() == "1998-01-03T00:05:34+00:00"


def test_from_in_a_body_begins_no_message() -> None:
    (only,) = parse(HEAD + b"Subject: x\n\nSo\n\nFrom here on it rains.\nFrom: no\n")
    assert only.data.endswith(b"From here on it rains.\nFrom: no\n")


def test_the_note_of_a_program_is_no_message() -> None:
    note = (
        HEAD
        + b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\nStatus: RO\n\nThis text\n\n"
    )
    assert [letter.data for letter in parse(note + HEAD + b"Subject: x\n\n")] == [b"Subject: x\n\n"]


def test_equal_messages_are_told_apart_and_a_file_that_grew_is_known(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes((HEAD + b"Subject: x\n\nsame\n\n") * 2)
    source = Mboxes([(str(path), ("INBOX",))])
    folder = Folder("INBOX", ("INBOX",), 2)
    before = [message.key for message in source.messages(folder)[1]]
    assert len(set(before)) == 2
    path.write_bytes(HEAD + b"Subject: new\n\nx\n\n" + path.read_bytes())
    _, messages = source.messages(folder)
    assert {message.key for message in messages} >= set(before)
    assert [data for _, data in source.contents(folder, messages[1:])] == [b"Subject: x\n\nsame\n"] * 2


def _tree(folder: Path) -> Iterator[Path]:
    (folder / "Inbox").write_bytes(HEAD + b"Subject: x\n\nx\n")
    (folder / "Inbox.msf").write_bytes(b"<!-- -->")
    (folder / "Lists.sbd").mkdir()
    (folder / "Lists").write_bytes(b"")
    (folder / "Lists.sbd" / "One").write_bytes(HEAD + b"Subject: y\n\ny\n")
    (folder / "notes.txt").write_bytes(b"no mail")
    (folder / "link").symlink_to("/etc/passwd")
    yield folder


def test_a_folder_of_mbox_files_as_thunderbird_has_it(tmp_path: Path) -> None:
    for folder in _tree(tmp_path):
        with jobs.mbox("user@snorl.ax", str(folder), None).open() as source:
            assert {(one.path, one.count) for one in source.folders()} == {
                (("INBOX",), 1), (("Lists",), 0), (("Lists", "One"), 1),
            }  # fmt: skip


def test_what_is_no_mbox(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello\n")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    for name, told in (("x", "no mbox file"), ("link", "links are not followed"), ("gone", "No such file")):
        with pytest.raises(UsageError, match=f"(?s){told}"):
            jobs.mbox("user@snorl.ax", str(tmp_path / name), None)
