"""A filter that is killed, stopped or talks nonsense lets nothing pass: its mail is told to come again later."""

from __future__ import annotations

import os
import signal
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.machine.server import STRANGER, USER, Server, awaited, letter
from tests.machine.test_kills import processes

from posthouse import paths

pytestmark = pytest.mark.machine

SOCKET = str(paths.RSPAMD_MILTER)
NONSENSE = ("hangs-up", "babbles", "huge", "unknown-reply", "half")


def refusal(server: Server) -> tuple[str, int]:
    """Send a letter; its subject, and the code of the first answer that was not good (0: it was taken)."""
    sent = letter()
    subject = str(sent["Subject"])
    try:
        with server.smtp() as client:
            assert client.sock is not None
            client.sock.settimeout(150)
            client.sendmail(STRANGER, [USER], sent.as_bytes())
    except smtplib.SMTPRecipientsRefused as error:
        return subject, error.recipients[USER][0]
    except smtplib.SMTPResponseException as error:
        return subject, error.smtp_code
    return subject, 0


def nowhere(server: Server, *subjects: str) -> None:
    """See that these were not delivered: what came later was."""
    server.find(server.send_again(letter()))
    for subject in subjects:
        assert server.count(subject) == server.count(subject, folder="Junk") == 0


@contextmanager
def fake(server: Server, kind: str) -> Iterator[None]:
    """Something else answers on the filter's socket."""
    script = "/root/fake_filter.py"
    server.machine.put(Path(__file__).with_name("fake_filter.py"), script)
    with server.stopped("rspamd", "rspamd.service"):
        server.run(["rm", "-f", SOCKET])
        process = server.machine.start(["/usr/bin/python3", script, SOCKET, kind])
        try:
            awaited(
                lambda: server.run(["test", "-S", SOCKET], check=False).returncode == 0, "the fake filter"
            )
            yield
        finally:
            process.kill_all()
            server.run(["rm", "-f", SOCKET])


@pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")
def test_a_filter_that_answers_nonsense_lets_nothing_pass(server: Server) -> None:
    found = {}
    for kind in NONSENSE:
        with fake(server, kind):
            found[kind] = refusal(server)
    assert {kind: code // 100 for kind, (_, code) in found.items()} == dict.fromkeys(NONSENSE, 4), found
    nowhere(server, *(subject for subject, _ in found.values()))


@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
def test_a_filter_that_is_killed_lets_nothing_pass(server: Server) -> None:
    """While one sender after the other comes, its processes are killed, as often as they come back."""
    subjects: dict[str, int] = {}
    for _ in range(6):
        for pid in processes(server, "rspamd"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subject, code = refusal(server)
        subjects[subject] = code
        assert code == 0 or 400 <= code < 500, code
    nowhere(server, *(subject for subject, code in subjects.items() if code))
    for subject in (subject for subject, code in subjects.items() if not code):
        assert server.find(subject)["X-Spamd-Result"]


@pytest.mark.full
def test_a_filter_that_stands_still_lets_nothing_pass(server: Server) -> None:
    stopped = processes(server, "rspamd")
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        subject, code = refusal(server)
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert 400 <= code < 500, code
    nowhere(server, subject)


@pytest.mark.full
def test_a_filter_process_that_stands_still_is_replaced(server: Server) -> None:
    """Its main process misses its heartbeats, ends it and starts another."""
    awaited(lambda: len(processes(server, "rspamd")) > 2, "all processes of the filter")
    workers = [
        pid for pid in processes(server, "rspamd") if "rspamd_proxy" in _title(pid) or "proxy" in _title(pid)
    ]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    awaited(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "their end", 120)
    server.find(server.send_again(letter()))


def _title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")


def test_memory_is_bounded(server: Server) -> None:
    """Of each of the filter's processes, and of all together where there is systemd; the agent's as well."""
    supervised = server.machine.spec.pid1 != "systemd"
    for name in ("rspamd", "posthouse.agent") if supervised else ("rspamd",):
        found = processes(server, name)
        assert found
        for pid in found:
            limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
            (line,) = (line for line in limits if line.startswith("Max address space"))
            assert line.split()[3].isdigit(), (name, line)
    if not supervised:
        for unit in ("rspamd.service", "posthouse-agent.service"):
            assert server.run(["systemctl", "show", "-P", "MemoryMax", unit]).stdout.strip().isdigit(), unit
