from __future__ import annotations

import signal

import pytest

from posthouse.lab import CommandFailed, LabError, Machine, Network, has_snapshot, layers
from posthouse.lab.wait import until

pytestmark = pytest.mark.machine


def test_it_is_a_bare_debian_that_is_up(any_machine: Machine, kind: tuple[str, str]) -> None:
    suite, pid1 = kind
    assert f"VERSION_CODENAME={suite}" in any_machine.read("/etc/os-release")
    assert any_machine.run("hostname -f").stdout == "mail.snorl.ax\n"
    assert any_machine.run("command -v python3", check=False).returncode != 0
    assert any_machine.run("[ -d /run/systemd/system ]", check=False).returncode == (pid1 != "systemd")
    if pid1 == "systemd":
        assert any_machine.state() == "running"
        assert any_machine.run("systemctl list-units --failed --plain --no-legend").stdout == ""
    assert 0 < any_machine.memory_pss().total() < 64 * 2**20


def test_apt_and_pip_work(any_machine: Machine) -> None:
    any_machine.run("apt-get -q update")
    install = "apt-get -q -y --no-install-recommends install"
    any_machine.run(f"{install} postfix python3-venv", env={"DEBIAN_FRONTEND": "noninteractive"})
    any_machine.run("python3 -m venv /root/venv && /root/venv/bin/pip install click")
    assert any_machine.run(["/root/venv/bin/python", "-c", "import click"]).returncode == 0


def test_a_command_gets_what_it_was_given_and_answers_for_itself(machine: Machine) -> None:
    assert machine.run(["printf", "%s|", "a b", "$HOME", '"', ""]).stdout == 'a b|$HOME|"||'
    assert machine.run("cat", input="grüße\n").stdout == "grüße\n"
    assert machine.run("echo $GREETING", env={"GREETING": "good  day"}).stdout == "good day\n"
    assert machine.run("id -un; echo $HOME", user="daemon").stdout == "daemon\n/usr/sbin\n"
    assert machine.run("exit 3", check=False).returncode == 3
    assert machine.run("kill -KILL $$", check=False).returncode == -signal.SIGKILL
    with pytest.raises(CommandFailed, match="ended with 4") as failed:
        machine.run("echo said >&2; exit 4")
    assert failed.value.result.stderr == "said\n"
    with pytest.raises(LabError, match="took more than"):
        machine.run("sleep 100", timeout=0.2)
    with pytest.raises(LabError, match="no user 'nobody-here'"):
        machine.run("true", user="nobody-here")


def test_a_daemon_that_keeps_its_output_open_delays_nobody(machine: Machine) -> None:
    assert machine.run("sleep 1000 & echo started", timeout=60).stdout == "started\n"


def test_a_started_command_can_be_signalled(machine: Machine) -> None:
    running = machine.start("trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done")
    assert running.popen.stdout is not None
    assert running.popen.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGINT)
    result = running.wait(30)
    assert (result.returncode, result.stdout) == (7, "caught\n")


def test_files_go_in_and_out(machine: Machine, tmp_path) -> None:
    machine.write("/srv/a b/file", "text\n", 0o640)
    assert machine.run(["stat", "-c", "%a %U", "/srv/a b/file"]).stdout == "640 root\n"
    machine.get("/srv/a b/file", tmp_path / "file")
    machine.put(tmp_path, "/srv/copy")
    assert machine.read("/srv/copy/file") == (machine.root / "srv/copy/file").read_text() == "text\n"


def test_a_power_cut_leaves_the_disk_and_nothing_else(any_machine: Machine) -> None:
    any_machine.write("/srv/kept", "kept")
    any_machine.run("echo gone >/run/gone; sleep 1000 &")
    any_machine.power_cut()
    assert not any_machine.is_on()
    with pytest.raises(LabError, match="is off"):
        any_machine.run("true")
    any_machine.boot()
    assert any_machine.read("/srv/kept") == "kept"
    assert any_machine.run("[ -e /run/gone ]", check=False).returncode == 1


def test_a_clean_shutdown_lets_programs_finish(any_machine: Machine) -> None:
    any_machine.write("/srv/last", "")
    script = "trap 'echo finished >/srv/last; exit' TERM; echo ready; while :; do sleep 0.1; done"
    if any_machine.spec.pid1 == "systemd":
        any_machine.run(["systemd-run", "--quiet", "sh", "-c", script.replace("echo ready", ">/run/ready")])
        until(lambda: (any_machine.root / "run/ready").exists(), 30, "the program to be ready")
    else:
        running = any_machine.start(script)
        assert running.popen.stdout is not None
        assert running.popen.stdout.readline() == b"ready\n"
    any_machine.power_off()
    assert not any_machine.is_on()
    any_machine.boot()
    assert any_machine.read("/srv/last") == "finished\n"


def test_a_machine_reboots_itself(machine: Machine) -> None:
    before = machine.leader()
    machine.run("reboot", check=False)
    until(lambda: machine.leader() not in (None, before), 240, "another PID 1")
    machine.wait_running()
    assert machine.state() == "running"


def test_a_snapshot_is_the_base_of_others(lab_net: Network) -> None:
    first = lab_net.machine("first", "bookworm")
    first.write("/srv/made", "once")
    first.run("rmdir /media")
    first.snapshot("lab-test")
    try:
        assert has_snapshot("bookworm", "lab-test")
        assert not has_snapshot("trixie", "lab-test")
        assert first.state() == "running"
        other = lab_net.machine("other", "bookworm", "other", "lab-test", "mx.lampenhaus.ax", policy_rc_d=101)
        assert other.read("/srv/made") == "once"
        assert other.run("[ -e /media ]", check=False).returncode == 1
        assert other.run("hostname -f; /usr/sbin/policy-rc.d", check=False).stdout == "mx.lampenhaus.ax\n"
        assert other.run("/usr/sbin/policy-rc.d", check=False).returncode == 101
        other.write("/srv/made", "changed")
        assert first.read("/srv/made") == "once"
    finally:
        layers.forget("bookworm", "lab-test")


def test_a_disk_can_be_small_and_memory_limited(lab_net: Network) -> None:
    machine = lab_net.machine("small", "trixie", disk=64, memory=256 * 2**20)
    filled = machine.run("cat /dev/zero >/srv/big", check=False)
    assert "No space left on device" in filled.stderr
    machine.run("rm /srv/big; echo fits >/srv/little")
    machine.power_cut()
    machine.boot()
    assert machine.read("/srv/little") == "fits\n"
    assert machine.run(["tail", "/dev/zero"], check=False).returncode == -signal.SIGKILL
    assert machine.read("/srv/little") == "fits\n"
    machine.destroy()


def test_a_power_cut_can_take_what_was_not_synced(lab_net: Network) -> None:
    machine = lab_net.machine("unsynced", "trixie", disk=64)
    machine.run("echo kept >/srv/synced; sync /srv/synced; echo lost >/srv/unsynced")
    machine.power_cut(lose_unsynced=True)
    machine.boot()
    assert machine.run("cat /srv/*").stdout == "kept\n"
    machine.disk.break_down()
    assert "Read-only file system" in machine.run("echo >/srv/new", check=False).stderr
    machine.power_cut()
    machine.boot()
    machine.run("echo >/srv/new")
    machine.destroy()
