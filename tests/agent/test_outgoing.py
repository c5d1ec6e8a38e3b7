"""What is submitted and judged spam is held; nothing is refused for points, and nothing leaves that nobody judged."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.agent.peer import QUEUE_ID, Peer

from posthouse.agent.outgoing import HEADER, Service, Session
from posthouse.agent.server import Server

USER = "user@snorl.ax"
FROM = ("From", USER)


def judged(
    folder: Path, headers: Iterable[tuple[str, str]]
) -> tuple[str, list[tuple[bytes, bytes]], list[tuple[str, ...]]]:
    """Return the answer, the edits, and what was noted as spam, of the second of two equal messages."""
    noted: list[tuple[str, ...]] = []

    async def talk() -> tuple[str, list[tuple[bytes, bytes]]]:
        service = Service(12.0, lambda *said: noted.append(said))
        server = Server(lambda: Session(service), folder / "outgoing.sock")
        await server.start()
        peer = Peer(*await asyncio.open_unix_connection(folder / "outgoing.sock"))
        await peer.negotiate()
        for _ in range(2):
            noted.clear()
            assert await peer.mail(USER, auth_authen="User@snorl.ax") == ""
            found = await peer.end(headers)
        peer.writer.close()
        await server.stop()
        return found

    return (*asyncio.run(talk()), noted)


def gone(number: int) -> tuple[bytes, bytes]:
    return b"m", struct.pack("!I", number) + HEADER.encode() + b"\0\0"


def test_honest_mail_goes_without_our_header(tmp_path: Path) -> None:
    for points in ("-1.20", "0.00 ", "11.99 URIBL_BLACK"):
        assert judged(tmp_path, [(HEADER, points), FROM]) == ("", [gone(1)], [])


def test_spam_is_held_and_noted(tmp_path: Path) -> None:
    said, edits, noted = judged(tmp_path, [(HEADER, "15.50 GTUBE\n\tBAYES_SPAM"), FROM])
    assert said == ""
    assert edits[0] == gone(1)
    assert edits[1][0] == b"q"
    ((login, queue_id, why),) = noted
    assert (login, queue_id) == (USER, QUEUE_ID)
    assert "15.5 points" in why
    assert why.endswith("GTUBE BAYES_SPAM")


@pytest.mark.parametrize("forged", ["-100", "nan", "-inf X", "", "nothing", "1e999999"])
def test_the_author_cannot_say_it_himself(tmp_path: Path, forged: str) -> None:
    said, edits, noted = judged(tmp_path, [(HEADER, "15 GTUBE"), (HEADER.lower(), forged), FROM])
    assert (said, edits[:2]) == ("", [gone(2), gone(1)])
    assert len(noted) == 1


def test_what_nobody_judged_must_wait(tmp_path: Path) -> None:
    said, edits, noted = judged(tmp_path, [FROM])
    assert said.startswith("451 ")
    assert (edits, noted) == ([], [])
