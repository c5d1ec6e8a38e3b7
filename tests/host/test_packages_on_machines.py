"""Real packages on fresh machines: nothing ever starts, nothing is left behind, and any cut is mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import posthouse
from posthouse import lab
from posthouse.host.packages import dpkg
from posthouse.lab import Machine, Network
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.timeout(1800)]

NAMES = ("postfix", "redis-server", "unbound")
DRIVER = """\
import sys
from posthouse.resources import Package
from posthouse.errors import PosthouseError
from posthouse.host import packages
def note(text):
    print(text, file=sys.stderr, flush=True)
try:
    packages.install([Package(name) for name in sys.argv[1:]], note)
except PosthouseError as error:
    sys.exit(f"PosthouseError: {error}")
print(*[name for name, version in packages.installed(sys.argv[1:]).items() if version])
"""
DRIVE = ["env", "PYTHONPATH=/root/src", "/usr/bin/python3", "/root/driver.py"]
HOLD = (
    "import fcntl, sys\\nfile = open('/var/lib/dpkg/lock-frontend', 'r+')\\n"
    "fcntl.lockf(file, fcntl.LOCK_EX)\\nopen('/root/held', 'w')\\nsys.stdin.read()\\n"
)


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    if reason := lab.available():
        pytest.skip(reason)
    with Network("host-tests") as network:
        yield network


def machine_with_python(
    net: Network, name: str, suite: str, pid1: str, policy: int | None, disk: int | None = None
) -> Machine:
    machine = net.machine(name, suite, pid1, policy_rc_d=policy, disk=disk)
    machine.run("apt-get -qq update && apt-get -qq -y --no-install-recommends install python3")
    machine.run(["mkdir", "-p", "/root/src"])
    machine.put(Path(posthouse.__file__).parent, "/root/src/posthouse")
    machine.write("/root/driver.py", DRIVER)
    return machine


def running(machine: Machine) -> set[str]:
    found = set(machine.run("cat /proc/[0-9]*/comm", check=False).stdout.split())
    return found & {"master", "redis-server", "unbound", "smtpd", "qmgr"}


def assert_clean(machine: Machine) -> None:
    assert running(machine) == set()
    assert "/dev/null" not in machine.run("ls -l /etc/systemd/system").stdout
    assert machine.run("test -e /var/lib/posthouse/engine/masked", check=False).returncode == 1
    assert machine.run("dpkg --audit").stdout == ""


def test_nothing_starts_and_an_apt_at_work_is_awaited(net: Network) -> None:
    machine = machine_with_python(net, "clean", "bookworm", "systemd", None)
    holder = machine.start(["/usr/bin/python3", "-c", HOLD.replace("\\n", "\n")])
    until(lambda: machine.run("test -e /root/held", check=False).returncode == 0, 60, "the lock to be held")
    driver = machine.start([*DRIVE, *NAMES])
    assert driver.popen.stderr is not None
    first = driver.popen.stderr.readline().decode()
    assert "waiting for `/usr/bin/python3" in first
    assert "lock-frontend" in first
    holder.kill_all()
    result = driver.wait()
    assert result.stdout.split() == list(NAMES), result.stderr
    assert_clean(machine)
    assert machine.run("test -e /usr/sbin/policy-rc.d", check=False).returncode == 1
    assert machine.run("systemctl --failed --no-legend --plain").stdout == ""
    again = machine.run([*DRIVE, *NAMES])
    assert again.stderr == ""  # nothing to say, nothing done
    machine.destroy()


@pytest.mark.parametrize("moment", ["unpacking", "configuring"])
def test_killed_while_dpkg_works(net: Network, moment: str) -> None:
    machine = machine_with_python(net, f"killed-{moment}", "trixie", "systemd", 101)
    driver = machine.start([*DRIVE, *NAMES])
    state = {"unpacking": "unpacked", "configuring": "half-configured"}[moment]
    grep = f"grep -rqs '^Status: .* {state}$' /var/lib/dpkg/status /var/lib/dpkg/updates"
    until(lambda: machine.run(grep, check=False).returncode == 0 or driver.poll() is not None, 300, moment)
    assert driver.poll() is None
    names = "^(python3|apt-get|dpkg|dpkg-.*|frontend)$"
    machine.run(f"kill -9 $(grep -lsE '{names}' /proc/[0-9]*/comm | cut -d/ -f3)", check=False)
    driver.wait()
    assert running(machine) == set()
    cut_off = dpkg.interrupted(
        machine.root / "var/lib/dpkg"
    )  # or it had not begun, or was between two packages
    result = machine.run([*DRIVE, *NAMES], check=False)
    assert result.returncode == 0, result.stderr
    assert ("interrupted" in result.stderr) == cut_off
    assert result.stdout.split() == list(NAMES)
    assert_clean(machine)
    assert "exit 101" in machine.read("/usr/sbin/policy-rc.d")
    machine.destroy()


def test_an_operators_own_policy_is_left_alone(net: Network) -> None:
    machine = machine_with_python(net, "policy", "trixie", "other", 0)
    before = machine.read("/usr/sbin/policy-rc.d")
    result = machine.run([*DRIVE, *NAMES])
    assert result.stdout.split() == list(NAMES)
    assert_clean(machine)
    assert machine.read("/usr/sbin/policy-rc.d") == before
    machine.destroy()


def test_a_registry_out_of_reach_is_told_and_resumed(net: Network) -> None:
    machine = machine_with_python(net, "offline", "bookworm", "other", None)
    with net.cut_off():
        result = machine.run([*DRIVE, "postfix"], check=False)
    assert result.returncode == 1
    assert "could not download" in result.stderr
    assert "goes on where it stopped" in result.stderr
    assert machine.run("test -e /usr/sbin/policy-rc.d", check=False).returncode == 1
    assert machine.run([*DRIVE, "postfix"]).stdout.split() == ["postfix"]
    assert_clean(machine)
    result = machine.run([*DRIVE, "no-such-package-anywhere"], check=False)
    assert "no-such-package-anywhere" in result.stderr
    machine.destroy()


def test_a_full_disk_is_told_and_resumed(net: Network) -> None:
    machine = machine_with_python(net, "full", "trixie", "systemd", None, disk=400)
    machine.run("fallocate -l $(( $(df --output=avail -k / | tail -1) - 20000 ))K /root/ballast")
    result = machine.run([*DRIVE, *NAMES, "rspamd"], check=False)
    assert result.returncode == 1
    assert "no room on the disk" in result.stderr, result.stderr
    assert "make room" in result.stderr
    machine.run("rm /root/ballast")
    assert machine.run([*DRIVE, *NAMES]).stdout.split() == list(NAMES)
    assert_clean(machine)
    machine.destroy()
