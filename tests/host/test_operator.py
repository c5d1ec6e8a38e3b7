"""The operator's address, read from the processes that this one came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.host.operator import ssh_client


def process(proc: Path, pid: int, parent: int, **environment: str) -> None:
    (proc / str(pid)).mkdir()
    text = "".join(f"{key}={value}\0" for key, value in environment.items())
    (proc / str(pid) / "environ").write_text(text)
    (proc / str(pid) / "stat").write_text(f"{pid} (a ) b) S {parent} 1 1 0")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("192.0.2.7 50000 192.0.2.1 22", "192.0.2.7"),
        ("2001:db8::7 50000 2001:db8::1 22", "2001:db8::7"),
        ("::ffff:192.0.2.7 50000 ::ffff:192.0.2.1 22", "192.0.2.7"),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", None),
        ("127.0.0.1 50000 127.0.0.1 22", None),
        ("nonsense", None),
    ],
)
def test_through_sudo(tmp_path: Path, said: str, found: str | None) -> None:
    process(tmp_path, 30, 20, PATH="/bin")  # sudo took it away
    process(tmp_path, 20, 10, PATH="/bin")
    process(tmp_path, 10, 1, SSH_CONNECTION=said)
    assert ssh_client(tmp_path, 30) == found


def test_at_the_console(tmp_path: Path) -> None:
    process(tmp_path, 30, 1, PATH="/bin")
    assert ssh_client(tmp_path, 30) is None
    assert ssh_client(tmp_path, 99) is None
