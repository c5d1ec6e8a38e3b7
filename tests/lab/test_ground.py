from __future__ import annotations

import pytest

from posthouse.lab import ground

DEB822 = """\
Types: deb
# where it was frozen
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://vendor.invalid/node_20.x
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg
"""

ONE_LINE = """\
# deb http://mirror.invalid/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://other.invalid/deb bookworm main contrib
deb-src http://mirror.invalid/debian bookworm main
deb http://mirror.invalid/debian-security/ bookworm-security main # security
deb https://vendor.invalid/apt cloud-sdk-bookworm main
"""


@pytest.fixture
def sources(tmp_path, monkeypatch):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list").write_text(ONE_LINE)
    monkeypatch.setattr(ground, "SOURCES", tmp_path)
    return ground._sources("bookworm")


def test_only_debian_s_own_entries_are_taken_and_for_any_suite(sources) -> None:
    lines = [line for source in sources for line in source.lines("bookworm", "trixie")]
    assert lines == [
        "deb http://mirror.invalid/debian trixie main",
        "deb http://mirror.invalid/debian trixie-updates main",
        "deb http://other.invalid/deb trixie main contrib",
        "deb http://mirror.invalid/debian-security/ trixie-security main",
    ]


def test_pip_s_settings_come_from_files_and_environment(monkeypatch) -> None:
    listed = """\
:env:.find-links='/srv/wheels'
:env:.timeout='60'
global.cert='/etc/some.pem'
global.extra-index-url='file:///srv/a/simple https://index.invalid/simple'
global.find-links='/srv/more'
global.timeout='15'
install.user='no'
"""
    monkeypatch.setattr(ground, "_with_pip", lambda *_: listed)
    assert ground._pip() == {
        "cert": ground.BUNDLE,
        "extra-index-url": "file:///srv/a/simple https://index.invalid/simple",
        "find-links": "/srv/more /srv/wheels",
        "timeout": "60",
    }
