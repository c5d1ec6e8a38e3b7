"""The files of supervisor's programs, followed while they are written, rotated and cut."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from posthouse.watch.follow import Files


def stamp() -> str:
    return datetime.now().strftime("%b %d %H:%M:%S")


def texts(files: Files) -> list[str]:
    found: list[str] = []
    for _ in range(4):
        found += [line.text for line in files.read(0.0)]
    return found


def write(path: Path, *words: str) -> None:
    with path.open("a") as stream:
        stream.writelines(f"{stamp()} mail postfix/smtpd[1]: {word}\n" for word in words)


def test_lines_come_once_across_rotation(tmp_path: Path) -> None:
    path = tmp_path / "postfix.log"
    files = Files(3600.0, tmp_path)
    assert texts(files) == []
    write(path, "one")
    assert texts(files) == ["one"]
    with path.open("a") as stream:
        stream.write(f"{stamp()} mail postfix/smtpd[1]: tw")
    assert texts(files) == []
    with path.open("a") as stream:
        stream.write("o\n")
    write(path, "three")
    path.rename(tmp_path / "postfix.log.1")
    write(path, "four")
    assert texts(files) == ["two", "three", "four"]
    path.write_text("")
    assert texts(files) == []
    write(path, "five")
    assert texts(files) == ["five"]
    files.close()


def test_what_is_older_than_an_hour_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "postfix.log").write_text("Jan 01 00:00:00 mail postfix/smtpd[1]: old\n")
    write(tmp_path / "postfix.log", "new")
    assert texts(Files(3600.0, tmp_path)) == ["new"]
