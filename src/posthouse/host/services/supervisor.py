"""Services under a supervisord of our own, where PID 1 is not systemd (http://supervisord.org/api.html).

Nothing here starts at boot: `posthouse up` is what the machine runs at its start. supervisord starts
nothing by itself either (the order and the readiness of the services are the caller's); it starts again
what dies. It can be killed itself, and its daemons live on then: each leaves its process id behind
(`children`), and before a supervisord is started, those of an earlier one are ended.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files
from posthouse.host.run import environment, run
from posthouse.host.services import children
from posthouse.host.services.base import ServiceManager, ServiceState
from posthouse.host.services.ready import Standing
from posthouse.resources import Service

CONFIG = paths.ETC / "supervisord.conf"
SOCKET = paths.RUN / "supervisor.sock"
PIDFILE = paths.RUN / "supervisord.pid"
_START_SECONDS = 20.0
_CALL_SECONDS = 120.0
_STOP_SECONDS = 60.0
_RETRIES = 3
_RUNNING = ("RUNNING", "STARTING")
# Fault codes of supervisor's interface (supervisor.xmlrpc.Faults).
_BAD_NAME, _ALREADY_STARTED, _NOT_RUNNING = 10, 60, 70


class Supervisor(ServiceManager):
    """A supervisord of ours, started when it is needed."""

    def __init__(self) -> None:
        self._failed: dict[str, set[int]] = {}  # when tries to start that came to nothing began

    def states(self, services: Sequence[Service]) -> Mapping[str, ServiceState]:
        """Ask supervisord once; where it does not run, nothing does."""
        known = _configured()
        found = {info["name"]: info for info in self._processes()}
        result = {}
        for service in services:
            info = found.get(service.name)
            if info is None:
                result[service.name] = ServiceState(running=False, enabled=service.name in known)
                continue
            failed = _word(info) if info["statename"] in ("FATAL", "BACKOFF", "UNKNOWN") else None
            result[service.name] = ServiceState(info["statename"] in _RUNNING, True, failed)
        return result

    def standing(self, service: Service) -> tuple[Standing, str]:
        """Ask supervisord; a program in its first second, or being tried again, is coming.

        supervisord never gives up, since what keeps a program down may pass; who waits gives up after some tries.
        """
        info = next((info for info in self._processes() if info["name"] == service.name), None)
        if info is None:
            return "ended", "supervisord does not know it"
        if info["statename"] == "RUNNING":
            return "up", _word(info)
        if info["statename"] == "BACKOFF":
            failed = self._failed.setdefault(service.name, set())
            failed.add(info["start"])
            return ("coming" if len(failed) <= _RETRIES else "ended"), _word(info)
        return ("coming" if info["statename"] == "STARTING" else "ended"), _word(info)

    def configure(self) -> None:
        """Start supervisord where it does not run; else make it take over what changed in its file.

        A program whose section changed runs again afterwards if it ran before.
        """
        if not CONFIG.exists():
            self.shut_down()
            return
        if not _answers():
            self._boot()
            return
        ran = {info["name"] for info in self._processes() if info["statename"] in _RUNNING}
        try:
            api = _api()
            added, changed, removed = api.reloadConfig()[0]
            for group in (*removed, *changed):
                before = children.family(group)
                api.stopProcessGroup(group)
                children.end(group, *before)
                api.removeProcessGroup(group)
            for group in (*added, *changed):
                api.addProcessGroup(group)
            for group in changed:
                if group in ran:
                    api.startProcess(group, False)
        except (xmlrpc.client.Error, OSError) as error:
            raise _refused("read its configuration again", error) from error

    def start(self, service: Service) -> None:
        """Start the program; `wait_ready` tells whether it stays."""
        if not _answers():
            self.configure()
        if not self.states([service])[service.name].running:
            children.end(service.name, *self._strays())  # what an unclean death left
            self._failed.pop(service.name, None)
        self._call(service, "start", "startProcess", _ALREADY_STARTED, wait=False)

    def stop(self, service: Service) -> None:
        """Stop the program and whatever it leaves behind."""
        before = children.family(service.name)
        if _answers():
            self._call(service, "stop", "stopProcess", _NOT_RUNNING, _BAD_NAME, wait=True)
        children.end(service.name, *before, *self._strays())

    def restart(self, service: Service) -> None:
        """Stop and start the program."""
        self.stop(service)
        self.start(service)

    def reload(self, service: Service) -> None:
        """Run the service's own reload command."""
        if service.reload is None:
            self.restart(service)
            return
        done = run(service.reload, check=False)
        if done.returncode != 0:
            raise self.failure(service, f"could not be reloaded: {done.said}")

    def enable(self, service: Service) -> None:
        """Nothing to do: what stands in the configuration is started by the next `up`."""

    def disable(self, service: Service) -> None:
        """Nothing to do: nothing starts before the next `up`."""

    def quiet(self, units: Sequence[str]) -> None:
        """Nothing to do: there is nothing that would start a unit."""

    def last_words(self, service: Service, lines: int = 15) -> str:
        """Quote the program's log file."""
        return _tail(paths.LOG / f"{service.name}.log", lines)

    def shut_down(self) -> None:
        """End supervisord and everything that it ever started."""
        if _answers():
            pid = _pid()
            families = {name: children.family(name) for name in children.names()}
            strays = self._strays()
            try:
                _api().shutdown()
            except (xmlrpc.client.Error, OSError) as error:
                raise _refused("shut down", error) from error
            if pid and not children.wait_gone(pid, _STOP_SECONDS):
                raise PosthouseError(f"supervisord (process {pid}) did not end", f"`kill {pid}` ends it")
            for name, before in families.items():
                children.end(name, *before, *strays)
        children.end_all()

    def _boot(self) -> None:
        """Start supervisord after clearing away what a killed one left."""
        program = Path(sys.executable).parent / "supervisord"
        if not program.exists():
            raise PosthouseError(
                f"expected supervisor beside this Python, found no {program}",
                "`posthouse up` installs it where PID 1 is not systemd",
            )
        old = _pid()
        if old:  # it lives and does not answer: its socket was removed under it
            children.end_process(old)
        children.end_all()
        for leftover in (SOCKET, PIDFILE):
            files.remove(leftover)
        for folder in (paths.RUN, paths.LOG):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        paths.LOG.chmod(
            0o750
        )  # who writes to whom, and who fails to log in, is root's to know, as in the journal
        subprocess.Popen(
            [program, "--nodaemon", "--silent", "-c", CONFIG],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=environment(),
            preexec_fn=children.adopt_orphans,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not _answers():
            if time.monotonic() >= deadline:
                log = _tail(paths.LOG / "supervisord.log", 15)
                raise PosthouseError(f"supervisord does not answer at {SOCKET}; its log ends with\n{log}")
            time.sleep(0.05)

    def _strays(self) -> children.Family:
        """Return what a program's death left behind: children of supervisord that it did not start."""
        known = {info["pid"] for info in self._processes()}
        return children.strays(_pid(), known) if known else ()

    def _processes(self) -> list[dict[str, Any]]:
        if not SOCKET.exists():
            return []
        try:
            return list(_api().getAllProcessInfo())
        except (xmlrpc.client.Error, OSError, http.client.HTTPException):
            return []

    def _call(self, service: Service, verb: str, method: str, *fine: int, wait: bool) -> None:
        try:
            getattr(_api(), method)(service.name, wait)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in fine:
                raise self.failure(service, f"did not {verb}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException) as error:
            raise _refused(f"{verb} {service.name}", error) from error


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CALL_SECONDS)
        self.sock.connect(str(SOCKET))


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(str(host))


def _api() -> Any:
    return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport()).supervisor


def _answers() -> bool:
    try:
        return bool(SOCKET.exists() and _api().getState())
    except (xmlrpc.client.Error, OSError, http.client.HTTPException):
        return False


def _pid() -> int:
    """Return the process id of the supervisord that runs; 0 where none does."""
    try:
        pid = int(PIDFILE.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if os.fsencode(CONFIG) in words else 0


def _configured() -> set[str]:
    try:
        return set(re.findall(r"^\[program:([^]]+)\]", CONFIG.read_text(), re.MULTILINE))
    except OSError:
        return set()


def _word(info: Mapping[str, Any]) -> str:
    said = info.get("spawnerr") or info.get("description") or ""
    return f"{info['statename'].lower()} ({said})" if said else str(info["statename"].lower())


def _tail(path: Path, lines: int) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _refused(what: str, error: Exception) -> PosthouseError:
    word = error.faultString if isinstance(error, xmlrpc.client.Fault) else str(error)
    return PosthouseError(f"supervisord could not {what}: {word}", f"its log is {paths.LOG}/supervisord.log")
