from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.host.packages import dpkg, guard, locks

STATUS = """\
Package: postfix
Status: install ok installed
Architecture: amd64
Version: 3.7.11-0+deb12u1
Provides: default-mta, mail-transport-agent
Description: High-performance mail transport agent
 Status: not a field

Package: rspamd
Status: install ok half-configured
Architecture: amd64
Version: 3.4-1

Package: unbound
Status: hold ok installed
Architecture: amd64
Version: 1.17
Config-Version: 1.16

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc6
Status: deinstall ok config-files
Architecture: i386
Version: 2

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "status").write_text(STATUS)
    (tmp_path / "updates").mkdir()
    return tmp_path


def test_installed(database: Path) -> None:
    names = ["postfix", "rspamd", "unbound", "gone", "libc6", "none"]
    found = dpkg.installed(names, database)
    assert found == {"postfix": "3.7.11-0+deb12u1", "rspamd": None, "unbound": "1.17", "gone": None,
                     "libc6": "2", "none": None}  # fmt: skip
    assert list(found) == names


def test_what_dpkg_was_cut_off_in(database: Path) -> None:
    assert [entry.name for entry in dpkg.unfinished(database)] == ["rspamd"]
    assert dpkg.interrupted(database)


def test_the_journal_has_the_last_word(database: Path) -> None:
    after = "Package: rspamd\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.4-1\n"
    (database / "updates/0001").write_text(after)
    (database / "updates/tmp.i").write_text("half")
    assert dpkg.unfinished(database) == []
    assert dpkg.installed(["rspamd"], database) == {"rspamd": "3.4-1"}
    assert dpkg.interrupted(database)  # it is not merged yet


@given(st.text(alphabet="PackageStusVrion: \nabc-,()"))
def test_any_database_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("dpkg")
    (folder / "status").write_text(text)
    dpkg.installed(["a"], folder)
    dpkg.unfinished(folder)


def test_who_holds_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert locks.holder(lock) is None
    lock.touch()
    assert locks.holder(lock) is None
    script = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'r+')\nfcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert locks.holder(lock) == other.pid
        notes: list[str] = []
        with pytest.raises(locks.AptBusy, match=f"process {other.pid}"):
            locks.wait_until_free(notes.append, 0, (lock,))

        def let_go(text: str) -> None:
            notes.append(text)
            assert other.stdin is not None
            other.stdin.close()

        locks.wait_until_free(let_go, 60, (lock,))
        assert len(notes) == 1
        assert f"process {other.pid}" in notes[0]


def test_our_own_lock_is_not_in_our_way(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w+") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        assert locks.holder(tmp_path / "lock") is None  # record locks do not hinder their own process


def test_units_in_packages() -> None:
    listing = [
        "/lib/systemd/system/postfix.service",
        "/lib/systemd/system/postfix@.service",
        "/usr/lib/systemd/system/dovecot.socket",
        "/usr/lib/systemd/system/dovecot.service.d/own.conf",
        "/usr/lib/systemd/system/mail.target",
        "/usr/lib/systemd/user/agent.service",
        "/usr/share/doc/lib/systemd/system/example.service",
    ]
    assert guard.units_in(listing) == ["dovecot.socket", "postfix.service"]
