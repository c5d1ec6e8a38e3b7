"""Maildirs and trees of them."""

from __future__ import annotations

import gzip
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.errors import UsageError
from posthouse.imports import maildir
from posthouse.imports.maildir import Maildirs


def make(place: Path, *files: str, data: bytes = b"Subject: x\n\nx\n") -> None:
    for part in ("cur", "new", "tmp"):
        (place / part).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(files):
        (place / name).write_bytes(data)
        os.utime(place / name, (1_500_000_000 + number, 1_500_000_000 + number))


def test_a_tree_of_maildir_plus_plus(tmp_path: Path) -> None:
    make(tmp_path, "cur/1.a:2,FRS", "new/2.b", "tmp/3.c", "cur/4.d:2,Sab")
    make(tmp_path / ".Sent", "cur/5.e:2,DPT")
    make(tmp_path / ".Gr&APYA3w-e.Unter")
    make(tmp_path / ".Other")
    (tmp_path / "dovecot-keywords").write_text("0 $Label1\n1 NonJunk\nx y\n")
    (tmp_path / "subscriptions").write_text("V\t2\n\nSent\nGr&APYA3w-e\tUnter\n")
    (tmp_path / ".Evil").symlink_to("/etc")
    (tmp_path / "cur" / "9.z:2,S").symlink_to("/etc/shadow")
    source = Maildirs(str(tmp_path))
    folders = {folder.path: folder for folder in source.folders()}
    assert {path: (f.count, f.subscribed) for path, f in folders.items()} == {
        ("INBOX",): (3, True), ("Sent",): (1, True), ("Größe", "Unter"): (0, True), ("Other",): (0, False),
    }  # fmt: skip
    found = {message.key: message for message in source.messages(folders["INBOX",])[1]}
    assert found["1.a"].flags == {"\\Flagged", "\\Answered", "\\Seen"}
    assert found["2.b"].flags == frozenset()
    assert found["4.d"].flags == {"\\Seen", "$Label1", "NonJunk"}
    assert found["1.a"].date is not None
    assert found["1.a"].date.timestamp() == 1_500_000_000
    (sent,) = source.messages(folders["Sent",])[1]
    assert sent.flags == {"\\Draft", "$Forwarded", "\\Deleted"}


def test_folders_within_folders_and_compressed_mail(tmp_path: Path) -> None:
    make(tmp_path, "cur/1.a:2,S", data=gzip.compress(b"Subject: x\n\nx\n"))
    make(tmp_path / "Lists" / "One", "cur/2.b:2,S")
    source = Maildirs(str(tmp_path))
    folders = {folder.path: folder for folder in source.folders()}
    assert set(folders) == {("INBOX",), ("Lists", "One")}
    _, messages = source.messages(folders["INBOX",])
    (tmp_path / "cur/1.a:2,S").rename(tmp_path / "cur/1.a:2,RS")  # a mail program is at work
    assert [data for _, data in source.contents(folders["INBOX",], messages)] == [b"Subject: x\n\nx\n"]


def test_what_is_no_maildir(tmp_path: Path) -> None:
    for path, told in ((tmp_path, "no Maildir"), (tmp_path / "gone", "No such file")):
        with pytest.raises(UsageError, match=told):
            Maildirs(str(path))


@given(st.text(alphabet=string.printable + "é", max_size=30))
def test_whatever_a_file_is_called(name: str) -> None:
    found = maildir.flags(name, {"a": "word", "b": "no word"})
    assert found <= {"\\Draft", "\\Flagged", "$Forwarded", "\\Answered", "\\Seen", "\\Deleted", "word"}
