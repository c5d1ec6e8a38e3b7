"""A filter's process that has no memory left lets nothing pass, and harms nobody else; the next mail is judged.

What is shown is the limit of a process (RLIMIT_DATA), which every service manager sets: it is drawn in, below what the
process has now. That systemd's limit of a whole service is set, `test_filter_trouble` shows.
"""

from __future__ import annotations

import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.machine.server import STRANGER, USER, Server, awaited, letter
from tests.machine.test_filter_trouble import PARTS, RECORD, limit, nowhere, of

pytestmark = [pytest.mark.machine, pytest.mark.full, pytest.mark.both_chains]
LARGE = "These are words, one after the other, as people write them.\n" * 150_000  # 9 MB
GREEDY = {"rspamd": "rspamd", "spamassassin": "spamd"}  # who takes a large message into memory


@contextmanager
def out_of_memory(server: Server, part: str) -> Iterator[None]:
    """Within the block the processes of this part get no more memory than they have."""
    before = {pid: limit(pid) for pid in of(server, part)}
    for pid in before:
        draw_in(pid, f"{int(status(pid)['VmData'].split()[0]) * 1024}:")
    try:
        yield
    finally:
        # those that were begun meanwhile have the limit of the one that began them
        for pid in {*before, *of(server, part)}:
            with suppress(OSError):  # it has ended
                draw_in(pid, f"{before.get(pid, max(before.values()))}:")


def status(pid: int) -> dict[str, str]:
    """What proc_pid_status(5) says."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def draw_in(pid: int, most: str) -> None:
    """Set the soft limit as the user whose process it is, who may do so."""
    found = status(pid)
    user, group = found["Uid"].split()[0], found["Gid"].split()[0]
    who = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    subprocess.run([*who, "prlimit", f"--pid={pid}", f"--data={most}"], check=False)


def answered(server: Server, sent: EmailMessage) -> int:
    """Send; the code of the last answer."""
    with server.smtp() as client:
        assert client.sock is not None
        client.sock.settimeout(150)
        try:
            client.sendmail(STRANGER, [USER], sent.as_bytes())
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[USER][0]
        except smtplib.SMTPResponseException as error:
            return error.smtp_code
    return 250


def test_a_process_without_memory_lets_nothing_pass(server: Server) -> None:
    answers = {}
    for part in PARTS[server.filter]:
        # what it took for a message before it could take again
        server.service("restart", part, f"{part}.service")
        awaited(lambda part=part: of(server, part), part)  # type: ignore[misc]
        server.find(server.send_again(letter()))
        sent = letter(text=LARGE)
        with out_of_memory(server, part):
            answers[part] = answered(server, sent)
        subject = str(sent["Subject"])
        if answers[part] == 250:  # it had enough
            assert server.find(subject)[RECORD[server.filter]], part
        else:
            assert 400 <= answers[part] < 500, (part, answers)
            nowhere(server, subject)
        again = letter(text=LARGE)
        awaited(lambda again=again: answered(server, again) == 250, f"mail after {part} had no memory", 90)  # type: ignore[misc]
        assert server.find(str(again["Subject"]))[RECORD[server.filter]]
        assert all(limit(pid).isdigit() for pid in of(server, part)), part
    assert 400 <= answers[GREEDY[server.filter]] < 500, answers
    assert server.posthouse("status", check=False).returncode in (0, 1)
