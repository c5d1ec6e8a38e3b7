"""`up` is stopped at any moment, by any signal: said again it goes on, and ends as if it had never been stopped."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, Server, letter

from posthouse.lab import Network, Running
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.full, pytest.mark.timeout(3600)]

CASES = [GroundCase(suite, pid1, None) for suite in ("bookworm", "trixie") for pid1 in ("systemd", "other")]
BARE = CASES[2]  # the others have Debian's packages already, so that most cuts hit what comes after them
ACCOUNT = f"admin@{DOMAIN}"
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
TURNS = 12
LOG = "/root/up.log"
SHOWN = re.compile(r"shown only now:\n\n    (\S+)\n")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"cut-{case.name}")
def bare(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[tuple[Server, str]]:
    """A machine without a mail service, and where the program lies. The tests of this file go in order."""
    case: GroundCase = request.param
    machine = make_machine(net, case, f"cut-{case.name}", archive, bare=case == BARE)
    publish(net, machine)
    yield Server(machine, net), unpack(machine, archive) + "/posthouse"
    machine.destroy()


def answers(running: Running, question: str, answer: str, said: bytearray) -> None:
    """Wait for a question on the terminal, and type an answer."""
    assert running.popen.stdin is not None
    assert running.popen.stdout is not None
    begun = len(said)
    while question.encode() not in said[begun:]:
        part = os.read(running.popen.stdout.fileno(), 4096)
        assert part, said.decode()
        said += part
    running.popen.stdin.write(answer.encode())
    running.popen.stdin.flush()


def test_at_a_terminal_it_asks_and_may_be_stopped(bare: tuple[Server, str]) -> None:
    server, program = bare
    running = server.machine.start(["script", "-qefc", f"'{program}' up {DOMAIN}", "/dev/null"])
    said = bytearray()
    answers(running, f"Full name of this host [{HOST}]: ", "\n", said)
    answers(running, f"postmaster's mail [{ACCOUNT}]: ", "kim\n", said)
    answers(running, "make a strong one)", "not on the screen\n", said)
    answers(running, "gain", "not on the screen\n", said)
    answers(running, "looking at the machine", "\x03", said)
    result = running.wait(120)
    text = said.decode() + result.stdout
    assert result.returncode == 130, text
    assert "it goes on from here" in text
    assert "not on the screen" not in text
    assert server.run("ls /etc/posthouse/posthouse.toml", check=False).returncode != 0


def start(server: Server, program: str, log: str = LOG) -> Running:
    """Say it as a script does, without a terminal: it takes the defaults and makes a password."""
    server.run(["rm", "-f", log])
    argv = ["sh", "-c", f'exec "$@" >{log} 2>&1 </dev/null', "sh", program, "up", DOMAIN]
    return server.machine.start(argv)


def cut_off(
    server: Server, running: Running, number: signal.Signals, lines: int, chance: random.Random
) -> bool:
    """Stop it some time after it has said up to so many lines; False where it had ended before."""
    goal = chance.randrange(1, lines)
    log = server.machine.root / LOG.lstrip("/")

    def there() -> bool:
        return running.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= goal)

    until(there, 1200, f"{goal} lines")
    with suppress(subprocess.TimeoutExpired):
        running.popen.wait(chance.choice([0, 0.3, 1, 3]) * chance.random())
    if running.poll() is not None:
        return False
    if number is signal.SIGTERM or chance.random() < 0.5:
        running.send_signal(number)
    else:  # and to what it started, as a terminal does
        os.killpg(running.popen.pid, number)
    running.popen.wait(300)
    until(lambda: not server.pids("up"), 300, "the end of all that it started")
    return running.poll() != 0  # a signal that came while it was passed over stops nothing


def test_it_goes_on_whenever_it_was_stopped(bare: tuple[Server, str]) -> None:
    server, program = bare
    chance = random.Random(server.machine.spec.name)
    cuts = 0
    said: list[str] = []
    for turn in range(TURNS):
        number = SIGNALS[turn % 3]
        running = start(server, program)
        cut = cut_off(server, running, number, 4 + 2 * turn, chance)
        said.append(server.machine.read(LOG))
        print(f"turn {turn}, {number.name if cut else 'none'}: {running.poll()} after: {said[-1][-300:]}")
        assert "Traceback" not in said[-1]
        assert "bug in posthouse" not in said[-1]
        assert not cut or running.poll() in (-number, 128 + number), said[-1]
        cuts += cut
        if not cut:
            assert running.poll() == 0, said[-1]
            break
    assert cuts >= 3
    # the last word, said twice at once
    both = [start(server, program, f"/root/last-{i}.log") for i in range(2)]
    for i, running in enumerate(both):
        assert running.wait(1800).returncode == 0, server.machine.read(f"/root/last-{i}.log")
        said.append(server.machine.read(f"/root/last-{i}.log"))
    passwords = [password for text in said for password in SHOWN.findall(text)]
    assert passwords
    with server.imap(ACCOUNT, passwords[-1]):
        pass
    server.find(server.send(letter(to=ACCOUNT)), ACCOUNT, password=passwords[-1])
    assert server.posthouse("plan", "--exit-code").returncode == 0
    assert server.posthouse("generations", "--json").stdout.count('"number"') >= 2
    assert server.run("dpkg --audit").stdout == ""
    if server.machine.spec.pid1 == "systemd":
        assert server.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout.strip() == ""
    again = server.run([program, "up", DOMAIN])
    assert "Nothing to do" in again.stdout
    assert SHOWN.search(again.stdout) is None
    with server.imap(ACCOUNT, passwords[-1]):
        pass
