"""A program that runs beside us and is spoken with: a socket is its stdin, a pipe its stdout."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from posthouse.host.run import CommandFailed, environment

_PATIENCE = 10.0  # seconds that it has to end by itself


class Beside:
    """The running program. `said` is what it wrote on stderr so far."""

    def __init__(self, argv: tuple[str, ...], errors: int) -> None:
        self.argv = argv
        self._errors = errors

    @property
    def said(self) -> str:
        """Its stderr."""
        return os.pread(self._errors, 65536, 0).decode(errors="replace")

    def failed(self, how: str) -> CommandFailed:
        """Return the error for a program that does not talk as it should."""
        return CommandFailed(self.argv, how, self.said)


@contextmanager
def conversing(argv: Sequence[str]) -> Iterator[tuple[Beside, socket.socket, IO[bytes]]]:
    """Start a program, and give what it reads and what it writes; at the end both are closed, and it is awaited.

    Its stdout is no socket: Dovecot's `imap` would take itself for a child of inetd.

    Raises:
        CommandFailed: it could not be started.
    """
    words = tuple(argv)
    ours, theirs = socket.socketpair()
    answers, given = os.pipe()
    errors = os.memfd_create("stderr", os.MFD_CLOEXEC)
    with ours, os.fdopen(answers, "rb") as stream:
        try:
            with theirs:
                process = subprocess.Popen(
                    words, stdin=theirs.fileno(), stdout=given, stderr=errors, cwd="/", env=environment()
                )
        except OSError as error:
            os.close(errors)
            raise CommandFailed(words, f"could not be started: {error.strerror}") from error
        finally:
            os.close(given)
        try:
            yield Beside(words, errors), ours, stream
        finally:
            ours.close()
            stream.close()
            _end(process)
            os.close(errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
