from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.lab import LabError, Machine, Network, ground, paths
from posthouse.lab.wait import until

# Perl, since a bare Debian has no Python: greets each connection with the address that it came from.
_GREETER = """
use IO::Socket::IP; $| = 1;
my $s = IO::Socket::IP->new(LocalHost => "::", V6Only => 0, LocalPort => 25, Listen => 5, ReuseAddr => 1)
  or die "no socket: $@";
print "ready\\n";
while (my $c = $s->accept) { print $c "220 " . $c->peerhost . "\\n"; close $c }
"""


@pytest.fixture(scope="module")
def greeter(lab_net: Network):
    machine = lab_net.machine("greeter", "bookworm", "other")
    running = machine.start(["perl", "-e", _GREETER])
    assert running.popen.stdout is not None
    assert running.popen.stdout.readline() == b"ready\n", running.wait().stderr
    yield machine
    machine.destroy()


def _greeting(machine: Machine, address: str, port: int = 25) -> str:
    return machine.run(["bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}; cat <&3"], timeout=60).stdout


@pytest.mark.machine
def test_machines_reach_each_other(machine: Machine, greeter: Machine, lab_net: Network) -> None:
    assert machine.ipv4 in _greeting(machine, greeter.ipv4)
    assert machine.ipv6 in _greeting(machine, greeter.ipv6)
    with lab_net.inside(), socket.create_connection((greeter.ipv4, 25), 30) as client:
        assert lab_net.v4(1) in client.makefile().readline()


@pytest.mark.machine
def test_a_machine_can_have_more_addresses(machine: Machine, greeter: Machine) -> None:
    for address in ("198.18.200.7", "2001:2:0:200::7"):
        greeter.add_address(address)
        assert _greeting(machine, address).startswith("220 ")


@pytest.mark.machine
@pytest.mark.parametrize("address", ["9.9.9.9", "10.0.0.1", "127.0.0.1", "2620:fe::fe", "fd00::1", "HOST"])
@pytest.mark.parametrize("port", [22, 25, 443])
def test_nothing_else_is_reachable_and_refused_at_once(machine: Machine, address: str, port: int) -> None:
    if address == "HOST":
        asked = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)
        address = asked.stdout.split()[0]
    with pytest.raises(LabError, match="refused"):
        _greeting(machine, address, port)


@pytest.mark.machine
def test_registries_can_be_taken_away(machine: Machine, lab_net: Network) -> None:
    registry = ground.survey().registries[0]
    machine.run(["bash", "-c", f": >/dev/tcp/{registry}/80"])
    with lab_net.cut_off(), pytest.raises(LabError, match="refused"):
        machine.run(["bash", "-c", f": >/dev/tcp/{registry}/80"])
    machine.run(["bash", "-c", f": >/dev/tcp/{registry}/80"])


_DIES = """
import os, signal
from posthouse.lab import Network
net = Network("lab-dies")
net.create()
machine = net.machine("victim")
machine.run("sleep 1000 &")
print(net.name, machine.leader(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.machine
def test_nothing_is_left_of_a_run_that_was_killed(lab_net: Network) -> None:
    died = subprocess.run([sys.executable, "-c", _DIES], capture_output=True, text=True, check=False)
    name, leader = died.stdout.split()
    left = [paths.RUN / name, paths.DISKS / name, Path("/proc") / leader]
    left += [Path(f"/run/netns/phl.{name}"), Path(f"/run/netns/phl.{name}.victim")]
    until(lambda: not any(path.exists() for path in left), 60, "all of it to vanish")


@pytest.mark.machine
def test_a_second_network_of_a_name_is_another(lab_net: Network) -> None:
    with Network(lab_net.name) as other:
        assert other.name != lab_net.name
        assert other.index != lab_net.index
        assert Network.open(other.name).index == other.index
    assert not other.folder.exists()
    with pytest.raises(LabError, match="no network"):
        Network.open(other.name)


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(LabError, match="not of the form"):
        Network("Bad Name")
