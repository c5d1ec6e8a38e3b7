"""Follow the mail log as it is written, from an hour ago on: the journal, or the files that supervisor keeps.

In the journal a line's unit says which daemon's process wrote it; but a Unix user's own program may run there too (a
~/.forward). So the writer must also be a user of that daemon, whom nobody else can be.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from posthouse import paths
from posthouse.host.run import environment
from posthouse.mailflow import log
from posthouse.mailflow.log import Line

USERS = {"postfix": ("root", "postfix"), "dovecot": ("root", "dovecot", "dovenull")}
MACHINE = Path("/etc/machine-id")  # machine-id(5)
MOST = 65536  # bytes at once


class Source(Protocol):
    """A log that is followed."""

    def read(self, seconds: float) -> Iterator[Line]:
        """Yield what was written, waiting for it at most so long."""

    def close(self) -> None:
        """Stop following."""


class Journal:
    """The journal, by journalctl(1): started again where it ends."""

    def __init__(self, since: float) -> None:
        self._where = [f"--since=-{since:.0f}s"]
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._uids: dict[str, set[int]] = {}

    def read(self, seconds: float) -> Iterator[Line]:
        """Yield new lines."""
        if self._process is None or self._process.poll() is not None:
            self._begin()
        assert self._process is not None
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        if not select.select([handle], [], [], seconds)[0]:
            return
        data = os.read(handle, MOST)
        if not data:
            self._process.wait()
            time.sleep(seconds)  # it ended: not again at once
            return
        *whole, self._rest = (self._rest + data).split(b"\n")
        for raw in whole:
            if (line := self._line(raw)) is not None:
                yield line

    def close(self) -> None:
        """End journalctl."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _begin(self) -> None:
        self._rest = b""
        self._uids = {service: _numbers(names) for service, names in USERS.items()}
        units = [f"--unit={unit}" for unit, service in log.UNITS.items() if service in USERS]
        fields = "MESSAGE,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_UID"
        argv = [
            "journalctl",
            "--follow",
            "--no-tail",
            "--quiet",
            "--output=json",
            f"--output-fields={fields}",
            # Debian 12's follows nothing but the current boot, whose number our unit's own /proc shows wrong in some
            # containers. This says all boots, and other machines' journals too; so this machine is named beside it.
            "--merge",
        ]
        with contextlib.suppress(OSError):
            argv.append(f"_MACHINE_ID={MACHINE.read_text().strip()}")
        self._process = subprocess.Popen(
            [*argv, *self._where, *units],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
        )

    def _line(self, raw: bytes) -> Line | None:
        try:
            entry = json.loads(raw)
            uid = int(entry.get("_UID", -1))
        except (ValueError, TypeError, AttributeError):
            return None
        if isinstance(cursor := entry.get("__CURSOR"), str):
            self._where = [f"--after-cursor={cursor}"]
        line = log.entry_line(entry)
        if line is None or uid not in self._uids.get(line.service, ()):
            return None
        return line


class Files:
    """The files of supervisor's programs; one that is renamed is read to its end first."""

    def __init__(self, since: float, folder: Path = paths.LOG) -> None:
        # Dovecot's auth process first: what the daemon in front says of a failure is the same failure.
        self._paths = {service: folder / f"{service}.log" for service in ("dovecot", "postfix")}
        self._open: dict[str, IO[bytes]] = {}
        self._rest = dict.fromkeys(self._paths, b"")
        self._after = time.time() - since

    def read(self, seconds: float) -> Iterator[Line]:
        """Yield new lines."""
        found = False
        for service, path in self._paths.items():
            for line in self._new(service, path):
                found = True
                if line.when >= self._after:
                    yield line
        if not found:
            time.sleep(seconds)

    def close(self) -> None:
        """Close the files."""
        for stream in self._open.values():
            stream.close()

    def _new(self, service: str, path: Path) -> Iterator[Line]:
        if service not in self._open and not self._reopen(service, path):
            return
        stream = self._open[service]
        data = stream.read(MOST)
        if not data:
            if _replaced(stream, path):
                stream.close()
                del self._open[service]
            return
        *whole, self._rest[service] = (self._rest[service] + data).split(b"\n")
        for raw in whole:
            line = log.file_line(service, raw.decode("utf-8", "replace"))
            if line is not None:
                yield line

    def _reopen(self, service: str, path: Path) -> bool:
        try:
            stream = path.open("rb")
        except OSError:
            return False
        first = not self._rest[service] and stream.seek(0, os.SEEK_END) > log.MOST_BYTES
        stream.seek(-log.MOST_BYTES if first else 0, os.SEEK_END if first else os.SEEK_SET)
        self._rest[service] = b""
        self._open[service] = stream
        return True


def _replaced(stream: IO[bytes], path: Path) -> bool:
    """Tell whether another file stands there now, or the same one was cut."""
    try:
        there, ours = path.stat(), os.fstat(stream.fileno())
    except OSError:
        return True
    return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino) or ours.st_size < stream.tell()


def _numbers(names: tuple[str, ...]) -> set[int]:
    found = set()
    for name in names:
        with contextlib.suppress(KeyError):
            found.add(pwd.getpwnam(name).pw_uid)
    return found
