"""Talk to a program on its stdin and stdout, as one talks to a server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from posthouse.host.run import CommandFailed, as_user, environment


@dataclass(frozen=True)
class Pipes:
    """A program that was started: write to `stdin`, read from `stdout`."""

    stdin: IO[bytes]
    stdout: IO[bytes]


@contextmanager
def talking(argv: Sequence[str], *, user: str | None = None, env: Mapping[str, str]) -> Iterator[Pipes]:
    """Run a program for the length of a `with` block; its stdin is closed at the end, and its end awaited.

    Args:
        argv: program and arguments. Never a secret.
        user: run as this user instead of root.
        env: variables beside those of `run.environment()`.

    Raises:
        CommandFailed: it could not be started.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            umask=0o027,
            env=environment(env),
            **as_user(user),
        )
    except OSError as error:
        raise CommandFailed(argv, f"could not be started: {error.strerror}") from error
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Pipes(process.stdin, process.stdout)
    finally:
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # it has gone already
                stream.close()
        process.wait()


@contextmanager
def afterwards(argv: Sequence[str]) -> Iterator[None]:
    """Have a program run after the `with` block, however that ends: also where this process is killed in it.

    A shell of a session of its own waits at the end of a pipe that only this process holds. What needs more than a
    second is left to itself.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0) as ours:
        watcher = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r word; exec "$@"', "sh", *argv],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment(),
            start_new_session=True,
        )
        try:
            yield
        finally:
            ours.close()
            with suppress(subprocess.TimeoutExpired):
                watcher.wait(1)
