"""`up` on machines where it must not begin: it says why, and changes nothing. And a first `up` that is undone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import _snapshot, unpack
from tests.machine.server import DOMAIN, HOST, PASSWORD, Server, awaited

from posthouse.lab import Machine, Network, Result

pytestmark = [pytest.mark.machine, pytest.mark.full]
DAEMONS = ("posthouse.agent", "unbound", "redis-server", "rspamd", "dovecot", "master")


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def suite(request: pytest.FixtureRequest) -> str:
    """Each Debian."""
    return str(request.param)


@pytest.fixture
def machine(suite: str, net: Network, archive: Path) -> Iterator[Machine]:
    """A machine with all packages and no mail service."""
    machine = net.machine(f"before-{suite}", suite, "systemd", _snapshot(net, suite, archive), HOST)
    yield machine
    machine.destroy()


def up(machine: Machine, archive: Path) -> list[str]:
    """The README's command, for a machine that the checkout was put on."""
    return [f"{unpack(machine, archive)}/posthouse", "up", DOMAIN, "--hostname", HOST, "--yes"]


def refused(machine: Machine, archive: Path) -> str:
    """What `up` says; it must fail, clearly, and leave no configuration."""
    done: Result = machine.run(up(machine, archive), check=False)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    assert machine.run(
        "ls /etc/dovecot/sieve /etc/systemd/system/posthouse-agent.service", check=False
    ).returncode
    return done.stderr + done.stdout


@pytest.mark.parametrize("port", [25, 53])
def test_a_port_that_is_taken(machine: Machine, archive: Path, port: int) -> None:
    listen = (
        f"import socket as s; l=s.create_server(('127.0.0.1',{port})); print('up', flush=True); l.accept()"
    )
    machine.run("systemctl stop unbound postfix", check=False)
    holder = machine.start(["/usr/bin/python3", "-c", listen])
    assert holder.popen.stdout is not None
    assert b"up" in holder.popen.stdout.readline()
    said = refused(machine, archive)
    holder.kill_all()
    assert f"port {port}" in said
    assert "python3" in said


def test_another_mail_server(machine: Machine, archive: Path) -> None:
    machine.run("apt-get update -q && apt-get install -qy exim4", env={"DEBIAN_FRONTEND": "noninteractive"})
    assert "exim4" in refused(machine, archive)


def test_a_postfix_made_by_hand_with_mail_in_its_queue(machine: Machine, archive: Path) -> None:
    machine.write("/etc/postfix/main.cf", "compatibility_level = 3.6\nmyhostname = mail.snorl.ax\n")
    machine.write("/var/spool/postfix/deferred/A/ABC", "a message")
    said = refused(machine, archive)
    assert "1 message in its queue" in said
    assert machine.read("/var/spool/postfix/deferred/A/ABC") == "a message"
    assert "3.6" in machine.read("/etc/postfix/main.cf")


def test_too_small_a_disk(suite: str, net: Network, archive: Path) -> None:
    machine = net.machine(f"tiny-{suite}", suite, "systemd", _snapshot(net, suite, archive), HOST, disk=48)
    assert "MiB needed" in refused(machine, archive)
    machine.destroy()


def test_the_undo_of_a_first_up_leaves_no_daemon_running(
    machine: Machine, net: Network, archive: Path
) -> None:
    server = Server(machine, net)
    before = {name: bool(server.pids(name)) for name in DAEMONS}
    running = machine.start(
        [*up(machine, archive), "--account", f"user@{DOMAIN}", "--password-stdin"],
        env={"PYTHONUNBUFFERED": "1"},
    )
    assert running.popen.stdin is not None
    assert running.popen.stderr is not None
    running.popen.stdin.write((PASSWORD + "\n").encode())
    running.popen.stdin.close()
    lines = []
    for line in running.popen.stderr:
        lines.append(line.decode())
        if "start postfix" in lines[-1]:
            break
    running.send_signal(signal.SIGINT)
    rest = running.popen.stderr.read().decode()
    running.popen.wait(120)
    said = "".join(lines) + rest
    assert "taking back" in said, said
    for name in DAEMONS:
        if not before[name]:
            awaited(lambda name=name: not server.pids(name), f"{name} to be gone", 30)  # type: ignore[misc]
    assert not machine.run("ls /etc/systemd/system/posthouse-agent.service", check=False).stdout
