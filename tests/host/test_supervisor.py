"""A real supervisord with programs that behave badly."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse import paths
from posthouse.host.services import ServiceFailed, children, supervisor
from posthouse.host.services.supervisor import Supervisor
from posthouse.resources import Program, Service
from posthouse.stack.supervisor import render

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root"), pytest.mark.timeout(120)]

SERVER = (
    "import os,socket,sys,signal\n"
    "if sys.argv[2:] == ['escaped']:\n"
    "    if os.fork(): signal.pause()\n"
    "    os.setsid()\n"
    "s=socket.socket(socket.AF_UNIX); p=sys.argv[1]\n"
    "os.path.exists(p) and os.unlink(p)\n"
    "s.bind(p); s.listen(); print('listening', flush=True)\n"
    "while True: s.accept()[0].close()\n"
)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of /run, /var/log and /etc, which every user may enter, with a short name."""
    tmp_path = Path(tempfile.mkdtemp(prefix="ph-"))
    run, log = tmp_path / "run", tmp_path / "log"
    monkeypatch.setattr(paths, "RUN", run)
    monkeypatch.setattr(paths, "LOG", log)
    monkeypatch.setattr(children, "FOLDER", run / "children")
    monkeypatch.setattr(supervisor, "SOCKET", run / "supervisor.sock")
    monkeypatch.setattr(supervisor, "PIDFILE", run / "supervisord.pid")
    monkeypatch.setattr(supervisor, "CONFIG", tmp_path / "supervisord.conf")
    (tmp_path / "server.py").write_text(SERVER)
    tmp_path.chmod(0o755)
    yield tmp_path
    Supervisor().shut_down()
    shutil.rmtree(tmp_path)


def server(place: Path, name: str, *arguments: str, user: str = "root") -> Service:
    home = place / f"home-{name}"
    home.mkdir(exist_ok=True)
    home.chmod(0o777)
    where = str(home / "sock")
    argv = ("/usr/bin/python3", str(place / "server.py"), where, *arguments)
    return Service(name, f"{name}.service", Program(argv, user=user), ready=(f"unix:{where}",))


def configure(place: Path, *services: Service) -> Supervisor:
    text = render(services).content.replace(str(supervisor.CONFIG.parent), str(place))
    text = text.replace("/run/posthouse", str(place / "run")).replace(
        "/var/log/posthouse", str(place / "log")
    )
    supervisor.CONFIG.write_text(text)
    manager = Supervisor()
    manager.configure()
    return manager


def answers(service: Service) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(service.ready[0].removeprefix("unix:"))
        except OSError:
            return False
    return True


def test_start_stop_and_restart(place: Path) -> None:
    one, two = server(place, "one", user="nobody"), server(place, "two")
    manager = configure(place, one, two)
    assert not any(state.running for state in manager.states([one, two]).values())
    manager.start(one)
    manager.wait_ready(one)
    states = manager.states([one, two, server(place, "unknown")])
    assert (states["one"].running, states["one"].enabled) == (True, True)
    assert (states["two"].running, states["unknown"].enabled) == (False, False)
    first = children.family("one")
    assert Path(f"/proc/{first[0].pid}").stat().st_uid == 65534
    manager.restart(one)
    manager.wait_ready(one)
    assert not children.alive(first[0])
    manager.stop(one)
    manager.stop(one)
    assert not answers(one)


def test_what_fails_says_why(place: Path) -> None:
    bad = Service(
        "bad", "bad.service", Program(("/bin/sh", "-c", "echo 100% broken;exit 3")), ready=("unix:/nowhere",)
    )
    manager = configure(place, bad)
    manager.start(bad)
    with pytest.raises(ServiceFailed, match="100% broken"):
        manager.wait_ready(bad, 60)
    assert manager.states([bad])["bad"].failed


def test_a_killed_supervisord_is_replaced_and_its_daemons_ended(place: Path) -> None:
    one, escaped = server(place, "one"), server(place, "escaped", "escaped")
    manager = configure(place, one, escaped)
    for service in (one, escaped):
        manager.start(service)
        manager.wait_ready(service)
    old = [process for name in ("one", "escaped") for process in children.family(name)]
    os.kill(supervisor._pid(), signal.SIGKILL)
    assert not any(state.running for state in manager.states([one, escaped]).values())
    manager.configure()
    assert not [process for process in old if children.alive(process)]
    manager.start(one)
    manager.wait_ready(one)


def test_a_lost_socket_is_no_dead_end(place: Path) -> None:
    one = server(place, "one")
    manager = configure(place, one)
    manager.start(one)
    supervisor.SOCKET.unlink()
    manager.start(one)
    manager.wait_ready(one)


def test_nothing_is_left_after_shut_down(place: Path) -> None:
    escaped = server(place, "escaped", "escaped")
    manager = configure(place, escaped)
    manager.start(escaped)
    manager.wait_ready(escaped)
    family = children.family("escaped")
    leader = int((children.FOLDER / "escaped").read_text().split()[0])
    assert len(family) == 2
    os.kill(leader, signal.SIGKILL)  # its child lives on, in a session of its own
    manager.shut_down()
    assert not [process for process in family if children.alive(process)]
    assert children.names() == []
    manager.shut_down()


def test_a_changed_section_runs_again_and_a_removed_one_does_not(place: Path) -> None:
    one, two = server(place, "one"), server(place, "two")
    manager = configure(place, one, two)
    for service in (one, two):
        manager.start(service)
        manager.wait_ready(service)
    changed = Service("two", two.unit, Program((*two.program.argv, "more")), ready=two.ready)
    manager = configure(place, changed)
    manager.wait_ready(changed)
    assert not answers(one)
    assert not manager.states([one])["one"].enabled


def test_marks_of_another_life_are_nobodys(place: Path) -> None:
    children.FOLDER.mkdir(parents=True)
    (children.FOLDER / "one").write_text(f"{os.getpid()} 1 1\n")
    (children.FOLDER / "two").write_text("rubbish\n")
    children.end_all()
    assert children.names() == []


def test_commands_that_supervisor_would_cut_short_are_refused() -> None:
    with pytest.raises(ValueError, match="cut this command short"):
        render([Service("x", "x.service", Program(("sh", "-c", "true # not")))])
    assert "%%" in render([Service("x", "x.service", Program(("date", "+%s")))]).content
