"""Postfix's and Dovecot's ways of being told that the database is back."""

from __future__ import annotations

import socket
from pathlib import Path

from posthouse.agent import back


def test_each_time_the_file_has_another_second_and_dovecot_a_connection(tmp_path: Path) -> None:
    watched, where = tmp_path / "back.db", tmp_path / "socket"
    watched.touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(where))
        server.listen()
        server.settimeout(5)
        seen = {int(watched.stat().st_mtime)}
        for _ in range(3):
            back.announce(watched, where)
            server.accept()[0].close()
            seen.add(int(watched.stat().st_mtime))
    assert len(seen) == 4


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    back.announce(tmp_path / "none", tmp_path / "nobody")
    assert not list(tmp_path.iterdir())
