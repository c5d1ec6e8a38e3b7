"""A filter that is killed, stopped or talks nonsense lets nothing pass: its mail is told to come again later.

What is done to Rspamd is done to each part of the classic chain.
"""

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

# The daemons of each chain, with the sockets that they answer on.
PARTS = {
    "rspamd": {"rspamd": (paths.RSPAMD_MILTER,)},
    "spamassassin": {
        "posthouse-gate": (paths.GATE_ENTRANCE, paths.GATE_VERDICT),
        "opendkim": (paths.OPENDKIM_MILTER,),
        "opendmarc": (paths.OPENDMARC_MILTER,),
        "spamd": (paths.SPAMD,),
    },
}
WORDS = {"posthouse-gate": "posthouse.gate", "spamd": "/usr/sbin/spamd"}  # on the command line of a daemon
RECORD = {"rspamd": "X-Spamd-Result", "spamassassin": "X-Spam-Status"}
NONSENSE = ("hangs-up", "babbles", "huge", "unknown-reply", "half")


def of(server: Server, part: str) -> list[int]:
    """The host's pids of a daemon and of all that it has started."""
    found = processes(server, WORDS.get(part, part))
    for pid in found:
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [int(child) for child in children if int(child) not in found]
    return found


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
def fake(server: Server, sockets: tuple[Path, ...], kind: str) -> Iterator[None]:
    """Something else answers on a filter's sockets; the filter does not run."""
    script, names = "/root/fake_filter.py", [str(socket) for socket in sockets]
    server.machine.put(Path(__file__).with_name("fake_filter.py"), script)
    server.run(["rm", "-f", *names])
    started = [server.machine.start(["/usr/bin/python3", script, name, kind]) for name in names]
    try:
        for name in names:
            awaited(
                lambda name=name: server.run(["test", "-S", name], check=False).returncode == 0,  # type: ignore[misc]
                "the fake filter",
            )
        yield
    finally:
        for process in started:
            process.kill_all()
        server.run(["rm", "-f", *names])


@pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")
@pytest.mark.both_chains("12")
def test_a_filter_that_answers_nonsense_lets_nothing_pass(server: Server) -> None:
    found = {}
    for part, sockets in PARTS[server.filter].items():
        with server.stopped(part, f"{part}.service"):
            for kind in NONSENSE:
                with fake(server, sockets, kind):
                    found[part, kind] = refusal(server)
    assert {key: code // 100 for key, (_, code) in found.items()} == dict.fromkeys(found, 4), found
    nowhere(server, *(subject for subject, _ in found.values()))


@pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")
@pytest.mark.both_chains("13")
def test_a_filter_that_is_killed_lets_nothing_pass(server: Server) -> None:
    """While one sender after the other comes, its processes are killed, as often as they come back."""
    subjects: dict[str, int] = {}
    parts = list(PARTS[server.filter])
    for number in range(6):
        for pid in of(server, parts[number % len(parts)]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subject, code = refusal(server)
        subjects[subject] = code
        assert code == 0 or 400 <= code < 500, code
    nowhere(server, *(subject for subject, code in subjects.items() if code))
    for subject in (subject for subject, code in subjects.items() if not code):
        assert server.find(subject)[RECORD[server.filter]]


@contextmanager
def standing_still(pids: list[int]) -> Iterator[None]:
    """Processes do nothing within the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.full
@pytest.mark.both_chains
def test_a_filter_that_stands_still_lets_nothing_pass(server: Server) -> None:
    subjects = []
    for part in PARTS[server.filter]:
        pids = of(server, part)
        assert pids, part
        with standing_still(pids):
            subject, code = refusal(server)
        assert 400 <= code < 500, (part, code)
        subjects.append(subject)
    nowhere(server, *subjects)


@pytest.mark.full
@pytest.mark.classic
def test_spf_that_stands_still_lets_nothing_pass(server: Server) -> None:
    """Postfix starts it for each of its processes; whoever comes to another one is judged."""
    server.find(server.send_again(letter()))
    pids = processes(server, "/etc/postfix-policyd-spf-python/posthouse")
    assert pids
    with standing_still(pids):
        subject, code = refusal(server)
    if code:
        assert 400 <= code < 500, code
        nowhere(server, subject)
    else:
        assert server.find(subject)["Received-SPF"]


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


def limit(pid: int) -> str:
    """The most memory that a process may map or hold as data (proc_pid_limits(5)); "unlimited" where there is none."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    found = [line.split()[-3] for line in lines if line.startswith(("Max address space", "Max data size"))]
    return next((value for value in found if value.isdigit()), "unlimited")


@pytest.mark.both_chains
def test_memory_is_bounded(server: Server) -> None:
    """Of each of the filter's processes, and of all together where there is systemd; the agent's as well."""
    parts = list(PARTS[server.filter])
    supervised = server.machine.spec.pid1 != "systemd"
    for name in (*parts, "posthouse.agent") if supervised else parts:
        pids = of(server, name)
        assert pids, name
        assert all(limit(pid).isdigit() for pid in pids), name
    if not supervised:
        for unit in (*(f"{part}.service" for part in parts), "posthouse-agent.service"):
            assert server.run(["systemctl", "show", "-P", "MemoryMax", unit]).stdout.strip().isdigit(), unit
