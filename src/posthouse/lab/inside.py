"""What one does inside a machine: run commands, start programs, copy files in and out."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from posthouse.lab import enter


class Inside(ABC):
    """All that rests on one thing: how to run a command inside (`argv`)."""

    @abstractmethod
    def argv(self, command: enter.Command, env: Mapping[str, str] | None, user: str | None) -> enter.Call:
        """What to run on the host in order to run `command` inside."""

    def run(
        self,
        command: enter.Command,
        input: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 900,
        user: str | None = None,
    ) -> enter.Result:
        """Run a command inside and wait for its end.

        Args:
            command: a list is run as it is, a string by /bin/sh.
            input: given on stdin, which is otherwise empty.
            env: added to a plain environment (PATH, HOME, USER, TERM, LANG).
            check: raise if the exit status is not 0.
            timeout: seconds, after which it is killed.
            user: run as this user of the machine instead of root.

        Raises:
            CommandFailed: another status than 0; carries the result.
            LabError: it took longer than `timeout`, or the machine is off.
        """
        return enter.run(self.argv(command, env, user), input, check, timeout)

    def start(
        self, command: enter.Command, env: Mapping[str, str] | None = None, user: str | None = None
    ) -> enter.Running:
        """Start a command inside and return at once; stdin, stdout and stderr are pipes."""
        return enter.Running(self.argv(command, env, user))

    def put(self, source: Path | str, target: str) -> None:
        """Copy a file or a folder of the host to the path `target` (not into it) inside; owner root."""
        command = ["tar", "--create", "--owner=0", "--group=0", "--directory", str(source), "."]
        if not Path(source).is_dir():
            self.write(target, Path(source).read_bytes(), Path(source).stat().st_mode & 0o777)
            return
        self.run(["mkdir", "-p", target])
        archive = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        self.run(["tar", "--extract", "--directory", target], input=archive)

    def get(self, source: str, target: Path | str) -> None:
        """Copy a file from inside to the host."""
        Path(target).write_bytes(self.read_bytes(source))

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file inside, with its folders, in place of what is there."""
        script = 'mkdir -p "$(dirname "$1")"; umask 077; cat >"$1"; chmod "$2" "$1"'
        self.run(["sh", "-ec", script, "sh", path, f"{mode:o}"], input=content)

    def read_bytes(self, path: str) -> bytes:
        """The bytes of a file inside."""
        return self.run(["cat", path]).raw

    def read(self, path: str) -> str:
        """The text of a file inside."""
        return self.run(["cat", path]).stdout
