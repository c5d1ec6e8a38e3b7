from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.host import addresses, machine
from posthouse.site.release import HOSTS_BEGIN, HOSTS_END

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux {0} ({1})"\nID=debian\nVERSION_ID="{0}"\n'


@pytest.mark.parametrize(("version", "suite"), [(12, "bookworm"), (13, "trixie")])
def test_supported(tmp_path: Path, version: int, suite: str) -> None:
    (tmp_path / "os-release").write_text(DEBIAN.format(version, suite))
    assert machine.release(tmp_path / "os-release").suite == suite


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DEBIAN.format(11, "bullseye"), "Debian GNU/Linux 11"),
        ('PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n', "testing or unstable"),
        ('PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="12"\n', "a derivative"),
        ("ID=fedora\n", "fedora"),
        ("", "without /etc/os-release"),
        ("\x00=\n===\n", "without /etc/os-release"),
    ],
)
def test_unsupported(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "os-release").write_text(text)
    with pytest.raises(machine.UnsupportedMachine, match=why):
        machine.release(tmp_path / "os-release")


def test_no_os_release(tmp_path: Path) -> None:
    with pytest.raises(machine.UnsupportedMachine):
        machine.release(tmp_path / "none")


FIB = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 198.18.1.19
        /32 host LOCAL
     |-- 198.18.1.255
        /32 link BROADCAST
Local:
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 10.0.0.7
        /32 host LOCAL
     |-- 198.18.1.19
        /32 host LOCAL
"""
IF_INET6 = """\
fe8000000000000000000000000000aa 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
20010002000000010000000000000019 02 40 00 80     eth0
20010002000000010000000000000020 02 40 00 01     eth0
20010002000000010000000000000021 02 40 00 c0     eth0
"""


def test_own_addresses(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/fib_trie").write_text(FIB)
    (tmp_path / "net/if_inet6").write_text(IF_INET6)
    assert [str(one) for one in addresses.own(tmp_path)] == ["198.18.1.19", "10.0.0.7", "2001:2:0:1::19"]
    assert [str(one) for one in addresses.public(tmp_path)] == ["198.18.1.19", "2001:2:0:1::19"]
    assert addresses.own(tmp_path / "nowhere") == []


def test_what_others_wrote_into_hosts(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    assert machine.others_hosts(path) == ""
    path.write_text("127.0.0.1 localhost\n\n10.0.0.1 db # ours")
    assert machine.others_hosts(path) == "127.0.0.1 localhost\n\n10.0.0.1 db # ours\n"
    path.write_text(f"{HOSTS_BEGIN}\n192.0.2.1 mail.snorl.ax mail\n{HOSTS_END}\n127.0.0.1 localhost\n")
    assert machine.others_hosts(path) == "127.0.0.1 localhost\n"
    path.write_text(f"{HOSTS_BEGIN}\n127.0.0.1 localhost\n")  # somebody took the end away
    assert "localhost" in machine.others_hosts(path)
