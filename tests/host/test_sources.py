"""apt's sources led to another Debian."""

from __future__ import annotations

from pathlib import Path

from posthouse.host.packages import sources
from posthouse.host.packages.sources import Source

ONE_LINE = """\
# deb http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib
deb [signed-by=/usr/share/keyrings/bookworm.gpg] http://bookworm.example/debian bookworm-security main
deb-src http://mirror.example/debian  bookworm-updates main
deb http://other.example/ stable main
"""
DEB822 = """\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


def test_only_the_suite_changes() -> None:
    moved = sources.moved(ONE_LINE, "bookworm", "trixie").splitlines()
    before = ONE_LINE.splitlines()
    assert moved[0] == before[0]
    assert moved[1] == "deb http://mirror.example/debian trixie main contrib"
    assert moved[2].endswith("http://bookworm.example/debian trixie-security main")
    assert "keyrings/bookworm.gpg" in moved[2]
    assert moved[3] == "deb-src http://mirror.example/debian  trixie-updates main"
    assert moved[4] == before[4]
    assert "Suites: trixie trixie-updates\n" in sources.moved(DEB822, "bookworm", "trixie")


def test_moving_twice_is_moving_once(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    kept: dict[str, str] = {}
    changed = sources.move("bookworm", "trixie", lambda path, text: kept.update({path.name: text}), tmp_path)
    assert [path.name for path in changed] == ["sources.list", "debian.sources"]
    assert kept == {"sources.list": ONE_LINE, "debian.sources": DEB822}
    assert sources.move("bookworm", "trixie", lambda _, __: None, tmp_path) == []


def test_archives_of_others_are_found() -> None:
    debian = Source("http://mirror.example/debian/", "bookworm", "Debian", "/etc/apt/sources.list:1")
    other = Source("http://other.example/", "bookworm", "", "/etc/apt/sources.list.d/other.list:1")
    rolling = Source("http://other.example/", "stable", "Other", "/etc/apt/sources.list.d/other.list:2")
    assert sources.foreign([debian, other, rolling], "bookworm") == [other]
