"""./posthouse on a bare Debian, and the command that it leaves there: cut off, refused, and said again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse import lab
from posthouse.lab import Machine, Network, Running
from posthouse.lab.wait import until

pytestmark = pytest.mark.machine

ROOT = Path(__file__).parents[2]
PARTS = ("posthouse", "requirements", "src", "LICENSE")
WHERE = "/home/somebody/my checkout"
POSTHOUSE = f"{WHERE}/posthouse"
INSTALL = f"""
import sys
sys.path.insert(0, "{WHERE}/src")
from posthouse.ops import install
print(install.install("# completion"), install.in_place())
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    if reason := lab.available():
        pytest.skip(reason)
    with Network("launcher") as network:
        yield network


@pytest.fixture(scope="module", params=[("bookworm", "systemd"), ("trixie", "other")], ids="-".join)
def machine(
    request: pytest.FixtureRequest, network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A bare machine with an unpacked checkout of somebody's. The tests of this file go in order."""
    suite, pid1 = request.param
    machine = network.machine(suite, suite, pid1)
    archive = tmp_path_factory.mktemp("archive") / "posthouse.tar"
    skip = ("__pycache__", "*.egg-info", ".*_cache")
    subprocess.run(
        ["tar", "-C", ROOT, "-cf", archive, *(f"--exclude={name}" for name in skip), *PARTS], check=True
    )
    machine.put(archive, "/tmp/posthouse.tar")
    machine.run("useradd --create-home somebody")
    machine.run(["mkdir", WHERE])
    machine.run(["tar", "-xf", "/tmp/posthouse.tar", "-C", WHERE])
    machine.run(["chown", "-R", "somebody:", "/home/somebody"])
    yield machine
    machine.destroy()


def exists(machine: Machine, pattern: str) -> bool:
    return machine.run(f"ls -d {pattern}", check=False).returncode == 0


def reaches(machine: Machine, running: Running, pattern: str) -> None:
    """Await the file that shows how far a run is; fail with what the run said where it ends before."""

    def there() -> bool:
        found = exists(machine, pattern)
        assert found or running.poll() is None, running.wait().stderr
        return found

    until(there, 240, pattern)


def test_without_root_it_says_what_to_say(machine: Machine) -> None:
    done = machine.run([POSTHOUSE, "--version"], user="somebody", check=False)
    assert done.returncode == 1
    assert "must be run by root" in done.stderr
    assert "sudo" in done.stderr


@pytest.mark.parametrize(
    "release", ["ID=ubuntu\nVERSION_ID=24.04\n", 'ID=debian\nVERSION_ID="11"\n', "ID=debian\n", ""]
)
def test_another_system_is_refused(machine: Machine, release: str) -> None:
    machine.run("mv /etc/os-release /etc/os-release.kept")
    try:
        machine.write("/etc/os-release", release)
        done = machine.run([POSTHOUSE, "--version"], check=False)
    finally:
        machine.run("mv /etc/os-release.kept /etc/os-release")
    assert done.returncode == 1
    assert "expected Debian 12 or 13" in done.stderr


def test_without_a_network_it_says_so(machine: Machine, network: Network) -> None:
    with network.cut_off():
        done = machine.run([POSTHOUSE, "--version"], check=False)
    assert done.returncode == 1
    assert "apt-get" in done.stderr
    assert "say the same again" in done.stderr


# dpkg's own hook (dpkg(1), --post-invoke) holds it where packages are unpacked, and not set up.
HELD = "/etc/dpkg/dpkg.cfg.d/held"
HOLD = "post-invoke=[ ! -e /var/lib/dpkg/info/python3-venv.list ] || { touch /run/held; sleep 600; }\n"


def test_killed_while_dpkg_is_at_work(machine: Machine) -> None:
    machine.write(HELD, HOLD)
    running = machine.start([POSTHOUSE, "--version"])
    reaches(machine, running, "/run/held")
    running.kill_all()
    running.wait()
    machine.run(["rm", HELD])
    assert not exists(machine, "/opt/posthouse/venvs/*")
    assert "python3-venv" in machine.run("dpkg --audit").stdout


LOCK = """
use Fcntl; open(F, ">", "/var/lib/dpkg/lock-frontend");
my $flock = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLKW, $flock) or die;
print "held\\n"; close STDOUT; <STDIN>;
"""


def test_killed_while_pip_is_at_work_after_waiting_for_apt(machine: Machine) -> None:
    def held() -> bool:
        assert holder.popen.stdout is not None
        return holder.popen.stdout.readline() == b"held\n"

    holder = machine.start(["perl", "-we", LOCK])
    assert held()
    running = machine.start([POSTHOUSE, "--version"])
    assert running.popen.stderr is not None
    said = [running.popen.stderr.readline().decode() for _ in range(2)]
    assert "waiting for another apt or dpkg" in said[1]
    assert holder.popen.stdin is not None
    holder.popen.stdin.close()
    reaches(machine, running, "/opt/posthouse/venvs/*/lib/python3*/site-packages/click")
    running.kill_all()
    running.wait()
    assert not exists(machine, "/opt/posthouse/venvs/*/complete")


def test_a_failing_pip_says_so_and_shows_its_last_lines(machine: Machine, network: Network) -> None:
    with network.cut_off():
        done = machine.run(
            [POSTHOUSE, "--version"], check=False, env={"PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
        )
    assert done.returncode == 1
    assert "pip failed" in done.stderr
    assert "  | " in done.stderr
    assert "say the same again" in done.stderr


def test_the_next_run_goes_on_and_two_at_once_wait_for_each_other(machine: Machine) -> None:
    runs = [machine.start([POSTHOUSE, "--version"]) for _ in range(2)]
    results = [run.wait() for run in runs]
    assert [result.returncode for result in results] == [0, 0]
    assert all(result.stdout.startswith("posthouse ") for result in results)
    said = "".join(result.stderr for result in results)
    assert said.count("making the Python environment") == 1
    assert machine.run("dpkg --audit").stdout == ""


def test_a_second_start_is_silent_and_leaves_nothing_in_the_checkout(machine: Machine) -> None:
    done = machine.run([POSTHOUSE, "--version"])
    assert done.stderr == ""
    assert machine.run(["find", WHERE, "-user", "root"]).stdout == ""


def test_another_python_on_the_path_is_not_taken(machine: Machine) -> None:
    machine.write("/usr/local/bin/python3", "#!/bin/sh\nexit 99\n", mode=0o755)
    done = machine.run(
        [POSTHOUSE, "--version"], env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONHOME": "/x"}
    )
    assert done.stdout.startswith("posthouse ")


def test_everybody_may_start_it_now(machine: Machine) -> None:
    assert machine.run([POSTHOUSE, "--version"], user="somebody").stdout.startswith("posthouse ")


def test_the_installed_program_outlives_its_checkout(machine: Machine) -> None:
    python = machine.run("echo /opt/posthouse/venvs/*/bin/python").stdout.strip()
    assert machine.run([python, "-I", "-B", "-c", INSTALL]).stdout == "True False\n"
    assert machine.run([python, "-I", "-B", "-c", INSTALL]).stdout == "False False\n"
    assert machine.run("ls /opt/posthouse/releases | wc -l").stdout == "1\n"
    machine.run(["rm", "-rf", WHERE])
    assert machine.run("posthouse --version").stdout.startswith("posthouse ")
    assert machine.run("posthouse --version", user="somebody").stdout.startswith("posthouse ")
    assert machine.run("find /opt/posthouse -perm -o+w -not -type l").stdout == ""
    assert "# completion" in machine.read("/usr/local/share/bash-completion/completions/posthouse")


AGE = """
set -e
cd /opt/posthouse/venvs
old=$(basename $(readlink ../venv))
aged=python3.0-${old#*-}
mv $old $aged
mv $aged/lib/python3* $aged/lib/python3.0
ln -sfn /opt/posthouse/venvs/$aged ../venv
"""


def test_after_an_upgrade_of_python_it_remakes_its_environment(machine: Machine) -> None:
    machine.run(["sh", "-c", AGE])
    refused = machine.run("posthouse --version", user="somebody", check=False)
    assert refused.returncode == 1
    assert "root" in refused.stderr
    done = machine.run("posthouse --version")
    assert done.stdout.startswith("posthouse ")
    assert "making the Python environment" in done.stderr
    again = machine.run("posthouse --version", user="somebody")
    assert again.stdout.startswith("posthouse ")
    assert again.stderr == ""
