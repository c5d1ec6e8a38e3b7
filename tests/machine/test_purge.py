"""The way back: after `down --purge` a machine is what it was before; mail and accounts are kept, and found again."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, letter

from posthouse.lab import Machine, Network, Running
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.full]
CASES = [
    GroundCase(suite, pid1, None)
    for suite, pid1 in (
        ("bookworm", "systemd"),
        ("trixie", "systemd"),
        ("bookworm", "other"),
        ("trixie", "other"),
    )
] + [GroundCase(suite, "systemd", None, "spamassassin") for suite in ("bookworm", "trixie")]
LATER = "later@[198.18.200.200]"  # nobody answers there
UNBOUND = "server:\n    verbosity: 2\n"
PART = "dovecot-managesieved"
HELD = "until [ -e /run/go-on ]; do touch /run/held; sleep 1; done"

# What differs afterwards, and nothing else: logs, caches, the back-up copies of the user database, and what is kept.
DIFFERS = re.compile(
    r"(file|content \w+ ?) ?(/var/log/|/var/cache/|/run/|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-? ?"
    r"|/var/mail/|/var/lib/posthouse|/var/lib/systemd/|/etc/\.pwd\.lock|/var/lib/(dbus|pam|ucf|unbound)/)"
    r"|(user|group) vmail:"
)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def bare(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A bare machine; the tests of this file go in order."""
    machine = make_machine(net, request.param, f"purge-{request.param.name}", archive, bare=True)
    publish(net, machine)
    yield Server(machine, net, request.param.filter)
    machine.destroy()


def picture(machine: Machine) -> set[str]:
    """Everything that must be the same again."""
    script = (Path(__file__).parent / "picture.sh").read_text()
    return set(machine.run(["sh", "-s"], input=script).stdout.splitlines())


def difference(before: set[str], after: set[str]) -> list[str]:
    """What changed, but for what may."""
    return sorted(line for line in before ^ after if not DIFFERS.match(line))


def up(server: Server, archive: Path) -> None:
    where = unpack(server.machine, archive)
    command = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER, "--yes"]
    command += ["--filter", server.filter]
    server.run([*command, "--password-stdin"], input=PASSWORD + "\n", timeout=1800)
    server.run(["rm", "-rf", where])


def cut_off(running: Running) -> None:
    """Kill a command and all that it started."""
    running.send_signal(signal.SIGKILL)
    running.kill_all()
    running.wait(60)


def test_the_machine_is_as_it_was_found_and_the_mail_is_kept(bare: Server, archive: Path) -> None:
    # The operator's own resolver, with its own file, at rest.
    machine = bare.machine
    machine.run(
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends unbound"
    )
    machine.write("/etc/unbound/unbound.conf.d/mine.conf", UNBOUND)
    systemd = machine.spec.pid1 == "systemd"
    if systemd:
        machine.run(["systemctl", "disable", "--now", "unbound"])
    before = picture(machine)
    up(bare, archive)
    bare.arrives(letter(subject="kept"))

    bare.send(letter(USER, LATER), to=[LATER], port=587, user=USER)
    until(lambda: bare.queue(), 30, "a message in the queue")
    refused = bare.posthouse("down", "--purge", "--yes", check=False)
    assert refused.returncode == 1
    assert "waits in Postfix's queue" in refused.stderr
    bare.run(["postsuper", "-d", "ALL"])
    until(lambda: not bare.queue(), 30, "an empty queue")
    twice = bare.posthouse("down", "--purge", "--with-mail", "--yes", check=False)
    assert twice.returncode == 2
    assert f"--lose-mail-of {DOMAIN}" in twice.stderr
    bare.arrives(letter())

    # Killed in the middle of the packages, and said again: first within the last script of a removal (apt believes
    # such a package to be purged when it is only removed), then wherever dpkg is.
    machine.run(["sed", "-i", f"2i {HELD}", f"/var/lib/dpkg/info/{PART}.postrm"])
    running = machine.start(["posthouse", "down", "--purge", "--yes"])
    until(lambda: machine.run("test -e /run/held", check=False).returncode == 0, 360, "the script to be held")
    assert "rest of a purge" in machine.read("/usr/local/bin/posthouse")
    cut_off(running)
    machine.run(["touch", "/run/go-on"])
    assert bare.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", PART]).stdout == "half-installed"
    running = machine.start(["posthouse", "down", "--purge", "--yes"])
    until(lambda: bare.pids("dpkg") or running.poll() is not None, 120, "dpkg at work")
    cut_off(running)
    for _ in range(3):
        if machine.run("test -e /usr/local/bin/posthouse", check=False).returncode == 0:
            machine.run(["posthouse", "down", "--purge", "--yes"], timeout=600)
    assert machine.run("command -v posthouse", check=False).returncode != 0
    assert difference(before, picture(machine)) == []
    if systemd:
        assert machine.run(["systemctl", "is-enabled", "unbound"], check=False).stdout.strip() == "disabled"
        assert machine.run(["systemctl", "is-active", "unbound"], check=False).stdout.strip() == "inactive"


def test_up_finds_the_kept_mail_and_accounts(bare: Server, archive: Path) -> None:
    key = bare.run("cat /var/lib/posthouse/kept/dkim/*.key").stdout
    up(bare, archive)
    bare.find("kept")
    assert bare.run("cat /var/lib/posthouse/dkim/*.key").stdout == key
    assert bare.run(["test", "-e", "/var/lib/posthouse/kept/dkim"], check=False).returncode != 0
    bare.arrives(letter())


def test_told_twice_the_mail_goes_too(bare: Server) -> None:
    bare.posthouse("down", "--purge", "--with-mail", "--lose-mail-of", DOMAIN, "--yes")
    assert (
        bare.run("ls -d /var/mail/* /var/lib/posthouse /etc/posthouse /opt/posthouse", check=False).stdout
        == ""
    )
    assert bare.run(["getent", "passwd", "vmail"], check=False).returncode == 2
