"""Run a program: the one place where Posthouse starts another process.

Programs run with a fixed PATH of the system's own folders (a foreign `python3` in /usr/local/bin must
not reach Debian's maintainer scripts), in the C.UTF-8 locale, without Python's own variables, and with
nothing on stdin unless it is given.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from posthouse.errors import PosthouseError

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOR_CHILDREN = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "LANG", "LANGUAGE")
_SHOWN_LINES = 20


@dataclass(frozen=True)
class Completed:
    """What a program answered. `returncode` is negative where a signal ended it."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Everything that it said, stderr last."""
        return "\n".join(part for part in (self.stdout.strip(), self.stderr.strip()) if part)


class CommandFailed(PosthouseError):
    """A program could not be started, ended with another status than 0, or took too long."""

    def __init__(self, argv: Sequence[str], how: str, said: str = "", hint: str | None = None) -> None:
        lines = said.strip().splitlines()[-_SHOWN_LINES:]
        quoted = "".join(f"\n    {line}" for line in lines)
        super().__init__(f"`{shlex.join(argv)}` {how}" + (":" if quoted else "") + quoted, hint)
        self.argv = tuple(argv)
        self.said = said

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross a process border as what it is for its reader: a message and a hint."""
        return PosthouseError, (self.message, self.hint)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that programs get."""
    kept = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_CHILDREN}
    kept = {key: value for key, value in kept.items() if not key.startswith("LC_")}
    return {**kept, "PATH": PATH, "LC_ALL": "C.UTF-8", **(extra or {})}


def run(
    argv: Sequence[str | Path],
    *,
    input: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    timeout: float | None = None,
    check: bool = True,
    user: str | None = None,
    finish: bool = False,
) -> Completed:
    """Run a program to its end and return what it answered.

    Args:
        argv: program and arguments. Never a secret: every user of the machine can read them.
        input: what it reads on stdin; nothing by default.
        env: variables beside those of `environment()`.
        cwd: where it runs; by default `/`, so that it depends on nobody's folder.
        timeout: seconds after which it is killed.
        check: raise where it ends with another status than 0.
        user: run as this user with its own groups instead of root.
        finish: let it come to its end before an interrupt from the keyboard goes on, and also when
            this process is killed (dpkg must not be cut off where that can be avoided).

    Raises:
        CommandFailed: it could not be started, took too long, or failed (with `check`).
    """
    words = tuple(str(part) for part in argv)
    data = input.encode() if isinstance(input, str) else input
    # Output goes to memory files and not to pipes: a program that outlives us must not die of SIGPIPE, and
    # a daemon that it leaves behind must not keep us waiting for the end of a pipe. Never to the disk: it
    # may be full, and what is given on stdin may be a secret.
    with _memory("stdout") as out, _memory("stderr") as err, _memory("stdin") as given:
        given.write(data or b"")
        given.seek(0)
        options: dict[str, Any] = dict(stdout=out, stderr=err, cwd=cwd or "/", umask=0o022)
        options["env"] = environment(env)
        options["stdin"] = given if data is not None else subprocess.DEVNULL
        try:
            options |= as_user(user)
            process = subprocess.Popen(words, start_new_session=finish, **options)
        except OSError as error:
            raise CommandFailed(words, f"could not be started: {error.strerror}") from error
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            said = _text(out) + _text(err)
            raise CommandFailed(words, f"was still running after {timeout:g} seconds", said) from error
        except BaseException:
            if not finish:
                process.kill()
            process.wait()
            raise
        done = Completed(words, process.returncode, _text(out), _text(err))
    if check and done.returncode != 0:
        raise CommandFailed(words, _how(done.returncode), done.said)
    return done


def _how(status: int) -> str:
    return f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"


def _memory(name: str) -> IO[bytes]:
    return os.fdopen(os.memfd_create(name, os.MFD_CLOEXEC), "w+b")


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def as_user(user: str | None) -> dict[str, Any]:
    """Return the arguments with which `subprocess` starts a program as this user. PosthouseError: no such user."""
    if user is None or user == pwd.getpwuid(os.geteuid()).pw_name:
        return {}
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise PosthouseError(f"there is no user {user} on this machine") from None
    extra = [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": extra}
