"""Messages made to do harm hurt nobody but themselves: what is beyond the bounds of docs/receiving.md is refused.

While one is judged, ordinary mail is taken and people log in; afterwards every daemon is the same process as before.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.machine.bombs import BEYOND, HARMLESS, letters, text
from tests.machine.server import STRANGER, USER, Server, awaited, letter
from tests.machine.test_filter_trouble import PARTS, of
from tests.machine.test_kills import RESIDENT, processes

pytestmark = pytest.mark.machine
MIB = 2**20
ONE_PROCESS = 768 * MIB  # what any of them may ever have held: 50 MB of text take half a gigabyte to judge


def delivered(server: Server, content: bytes) -> tuple[int, str]:
    """Send bytes as they are, and return the answer to them."""
    with server.smtp() as client:
        client.timeout = 200
        assert client.sock is not None
        client.sock.settimeout(200)
        client.ehlo()
        client.mail(STRANGER)
        client.rcpt(USER)
        assert client.docmd("DATA")[0] == 354
        client.sock.sendall(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        code, said = client.getreply()
        return code, said.decode("utf-8", "replace")


def pids(server: Server) -> dict[str, list[int]]:
    """The resident daemons' first processes, by name."""
    found = {name: processes(server, name)[:1] for name in RESIDENT}
    return found | {part: of(server, part)[:1] for part in PARTS[server.filter]}


def most(server: Server) -> int:
    """The most memory, in bytes, that any process of the machine which lives now has ever held (proc(5), VmHWM)."""
    found = 0
    for pid in server.machine.cgroup.pids():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found = max(
            [found, *(int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line)]
        )
    return found


@contextmanager
def ordinary_life(server: Server) -> Iterator[Callable[[], int]]:
    """Send mail and log in, over and over, while the block runs; gives how often both have been done.

    Anything but an honest answer is an error at the end of the block.
    """
    done, over, wrong = [0], threading.Event(), []

    def live() -> None:
        while not over.is_set():
            try:
                server.send(letter())
                with server.imap(folder="INBOX") as client:
                    client.noop()
                done[0] += 1
            except Exception as error:
                wrong.append(error)
                return

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield lambda: done[0] + len(wrong)
    finally:
        over.set()
        thread.join()
    assert not wrong, wrong


def explode(server: Server, bombs: dict[str, Callable[[str], bytes]]) -> dict[str, tuple[int, str]]:
    """Send each while life goes on, and see that everything stands afterwards."""
    before = pids(server)
    answers = {}
    with ordinary_life(server) as lived:
        for name, make in bombs.items():
            turns = lived()
            answers[name] = delivered(server, make(f"bomb {uuid.uuid4().hex}"))
            awaited(lambda turns=turns: lived() > turns, "ordinary mail to go on")  # type: ignore[misc]
    assert pids(server) == before
    assert most(server) < ONE_PROCESS
    server.find(server.send(letter()))
    return answers


@pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")
@pytest.mark.both_chains("13")
def test_what_is_beyond_the_bounds_is_refused(server: Server) -> None:
    answers = explode(server, BEYOND)
    assert {name: code for name, (code, _) in answers.items()} == dict.fromkeys(BEYOND, 554)
    assert all("Not taken here" in said for _, said in answers.values()), answers


@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
@pytest.mark.both_chains("12")
def test_what_is_only_large_is_taken(server: Server) -> None:
    answers = explode(server, HARMLESS)
    assert {name: code for name, (code, _) in answers.items()} == dict.fromkeys(HARMLESS, 250), answers


@pytest.mark.full
@pytest.mark.both_chains
def test_fifty_megabytes_of_text(server: Server) -> None:
    answers = explode(server, {"text": lambda subject: text(subject, 48_000_000)})
    assert answers["text"][0] == 250


@pytest.mark.full
def test_what_the_filter_cannot_finish_comes_again_later(server: Server) -> None:
    """Messages within messages take the square of their number: the process is ended after half a minute."""
    before = pids(server)
    turns = 0
    with ordinary_life(server) as lived:
        code, said = delivered(server, letters("endless", 50_000))
        turns = lived()
    assert code == 451, said
    assert turns > 1
    assert pids(server) == before
    awaited(lambda: len(processes(server, "rspamd")) > 1, "the filter's other process")
    server.find(server.send_again(letter()))


def test_a_mail_larger_than_the_limit_is_refused_before_and_after_it_came(server: Server) -> None:
    limit = 52_428_800
    with server.smtp() as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(limit)
        assert client.docmd("MAIL", f"FROM:<{STRANGER}> SIZE={limit + 1}")[0] == 552
    with server.smtp() as client:
        client.ehlo()
        client.mail(STRANGER)
        client.rcpt(USER)
        client.docmd("DATA")
        assert client.sock is not None
        line = b"x" * 70 + b"\r\n"
        for _ in range(limit // 72_000 + 2):
            client.sock.sendall(line * 1000)
        client.send(b".\r\n")
        code, said = client.getreply()
    assert code == 552, said
