"""What a purge kept is taken over by the next service: the database in use, and not one of before."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse import paths
from posthouse.directory import backend
from posthouse.directory.backend import Server
from posthouse.host.packages import brought
from posthouse.ops import kept

REMOTE = Server("db.example", password_file=Path("/x"))


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A purge's folder with a database of SQLite, and nothing else on the machine."""
    monkeypatch.setattr(paths, "DIRECTORY", tmp_path / "directory")
    monkeypatch.setattr(paths, "DIRECTORY_DB", tmp_path / "directory/mails.sqlite")
    state = {paths.DIRECTORY: tmp_path / "kept/directory"}
    for module, name, value in (
        (kept, "STATE", state),
        (kept, "_OWNERS", {paths.DIRECTORY: (None, None)}),
        (kept, "_give", lambda *_: None),
        (kept, "KEPT", tmp_path / "kept"),
        (kept, "PASSWORDS", tmp_path / "passwords"),
        (kept, "PACKAGES_ARE_OURS", tmp_path / "kept/packages"),
        (brought, "BROUGHT", tmp_path / "brought"),
    ):
        monkeypatch.setattr(module, name, value)
    folder = tmp_path / "kept/directory"
    folder.mkdir(parents=True)
    for name in ("mails.sqlite", "mails.sqlite-wal", "postfix.pgpass"):
        (folder / name).write_text(name)
    return tmp_path


def put(places: Path, where: backend.Place) -> None:
    """Say which database was in use."""
    (places / "kept/directory/backend").write_text(backend.line(where))


def test_the_file_of_sqlite_comes_back_alone(places: Path) -> None:
    put(places, paths.DIRECTORY_DB)
    assert kept.directory() == "sqlite"
    kept.take_over()
    assert sorted(path.name for path in paths.DIRECTORY.iterdir()) == ["mails.sqlite", "mails.sqlite-wal"]
    assert kept.directory() is None


@pytest.mark.parametrize(("where", "kind"), [(Server.local(), "postgresql"), (REMOTE, None)])
def test_a_file_of_before_the_move_to_postgresql_stays_away(
    places: Path, where: Server, kind: str | None
) -> None:
    put(places, where)
    assert kept.directory() == kind
    kept.take_over()
    assert list(paths.DIRECTORY.iterdir()) == []


def test_packages_and_passwords_are_remembered(places: Path) -> None:
    put(places, Server.local())
    (places / "kept/packages").write_text("postgresql-15:amd64\n")
    (places / "kept/passwords").write_text("mailreader x\n")
    (places / "brought").write_text("postfix:amd64\n")
    for _ in range(2):
        kept.take_over()
    assert (places / "brought").read_text().split() == ["postfix:amd64", "postgresql-15:amd64"]
    assert (places / "passwords").read_text() == "mailreader x\n"
    assert (places / "passwords").stat().st_mode & 0o777 == 0o600


def test_nothing_was_kept(places: Path) -> None:
    for path in (places / "kept/directory").iterdir():
        path.unlink()
    (places / "kept/directory").rmdir()
    assert kept.directory() is None
    kept.take_over()
