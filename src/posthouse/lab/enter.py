"""Commands inside a running machine: nsenter(1) into all that its PID 1 has, in its control group."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from posthouse.lab.errors import LabError

Command = str | Sequence[str]
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "TERM": "dumb",
    "LANG": "C.UTF-8",
}
_JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Call:
    """A command line of the host that runs `shown` inside, with its whole environment."""

    argv: list[str]
    env: dict[str, str]
    shown: str


@dataclass(frozen=True)
class Result:
    """How a command ended: status (negative: the signal that killed it) and what it wrote."""

    returncode: int
    raw: bytes
    raw_stderr: bytes

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 survive as surrogates."""
        return self.raw.decode(errors="surrogateescape")

    @property
    def stderr(self) -> str:
        """Standard error as text."""
        return self.raw_stderr.decode(errors="surrogateescape")


class CommandFailed(LabError):
    """A command inside a machine ended with another status than 0."""

    def __init__(self, shown: str, result: Result) -> None:
        said = f"{result.stdout[-1500:]}\n{result.stderr[-3000:]}".strip()
        super().__init__(f"`{shown}` ended with {result.returncode}: {said}")
        self.result = result


def inner_pid(pid: int) -> int | None:
    """The pid that a process has inside its machine; None for one of the host, and one that is dead."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    numbers = fields.get("NSpid", [])
    if fields.get("State", ["Z"])[0] in "ZX" or len(numbers) < 2:
        return None
    return int(numbers[1])  # [2] and on: containers inside the machine


def command_name(pid: int) -> str:
    """The name of a process as the kernel has it; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _user(leader: int, name: str) -> tuple[str, str, str]:
    for line in Path(f"/proc/{leader}/root/etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return fields[2], fields[3], fields[5]
    raise LabError(f"the machine has no user {name!r}")


def prepare(
    leader: int,
    cgroup: Sequence[Path],
    command: Command,
    env: Mapping[str, str] | None,
    user: str | None,
    without: str = "",
) -> Call:
    """The call that runs `command` beside the machine's PID 1, whose pid on the host is `leader`.

    `without`: a capability that the machine has not, in setpriv(1)'s words; who enters from the host would have it.
    """
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    shown = command if isinstance(command, str) else " ".join(command)
    environment = dict(_ENVIRONMENT)
    if user is not None:
        uid, gid, home = _user(leader, user)
        argv = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--", *argv]
        environment |= {"USER": user, "LOGNAME": user, "HOME": home}
    if without:
        argv = ["setpriv", f"--bounding-set=-{without}", f"--inh-caps=-{without}", "--", *argv]
    environment |= env or {}
    namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
    enter = ["nsenter", f"--target={leader}", *namespaces, "--", *argv]
    return Call(["/bin/sh", "-ec", _JOIN, "sh", *map(str, cgroup), "--", *enter], environment, shown)


def run(call: Call, input: str | bytes | None, check: bool, timeout: float) -> Result:
    """Run to the end. Output goes through files: a daemon that keeps them open delays nobody."""
    data = input.encode(errors="surrogateescape") if isinstance(input, str) else input
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(data or b"")
        given.seek(0)
        process = subprocess.Popen(
            call.argv, env=call.env, stdin=given, stdout=out, stderr=err, start_new_session=True
        )
        try:
            process.wait(timeout)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                out.seek(0)
                tail = out.read()[-1500:].decode(errors="replace")
                raise LabError(f"`{call.shown}` took more than {timeout:g} s; so far: {tail}") from error
            raise
        out.seek(0)
        err.seek(0)
        result = Result(process.returncode, out.read(), err.read())
    if check and result.returncode != 0:
        raise CommandFailed(call.shown, result)
    return result


class Running:
    """A command that runs inside a machine; what subprocess.Popen is on the host."""

    def __init__(self, call: Call) -> None:
        pipe = subprocess.PIPE
        self.shown = call.shown
        self.popen = subprocess.Popen(
            call.argv, env=call.env, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )

    @property
    def pid(self) -> int | None:
        """The host's pid of the command itself; None before it runs and after its end."""
        with suppress(OSError):
            children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()
            return next((int(child) for child in children if inner_pid(int(child)) is not None), None)
        return None

    def send_signal(self, number: int) -> None:
        """Send a signal to the command itself, not to what it started."""
        if (pid := self.pid) is not None:
            os.kill(pid, number)

    def kill_all(self) -> None:
        """SIGKILL the command and all of its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self.popen.poll()

    def wait(self, timeout: float = 900) -> Result:
        """Wait for its end, and return all it wrote (that was not read from the pipes before).

        Raises:
            LabError: `timeout` seconds went by; it goes on running.
        """
        try:
            out, err = self.popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"`{self.shown}` has not ended after {timeout:g} s") from error
        return Result(self.popen.returncode, out, err)
