"""A load of honest mail: as many SMTP sessions at once as asked, one message after the other in each."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.letters import CLIENT, SENDER, Domain
from posthouse.lab import Machine, Network

_PATIENCE = 300.0  # seconds


@dataclass(frozen=True)
class Load:
    """What a load came to: messages, seconds until the last was visible, CPU seconds of the whole machine."""

    messages: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Messages a second, from the first connection to the last message visible in its mailbox."""
        return self.messages / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU seconds of the machine for a message."""
        return self.cpu / self.messages


class _Session:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes, expect: bytes) -> None:
        """Send a command and read its answer to the end."""
        if data:
            self.writer.write(data)
        while True:
            line = await self.reader.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(expect):
            raise RuntimeError(f"expected {expect!r} after {data[:60]!r}, got {line!r}")

    async def send(self, recipient: str, content: bytes) -> float:
        """Send one message; return the seconds from MAIL to its 250."""
        begin = time.perf_counter()
        await self.say(f"MAIL FROM:<{SENDER}>\r\n".encode(), b"250")
        await self.say(f"RCPT TO:<{recipient}>\r\n".encode(), b"250")
        await self.say(b"DATA\r\n", b"354")
        await self.say(content + b".\r\n", b"250")
        return time.perf_counter() - begin


Seen = Callable[[Iterable[str]], int]


def in_maildirs(maildirs: dict[str, Path]) -> Seen:
    """Count the messages of accounts by the files in their Maildirs."""

    def seen(names: Iterable[str]) -> int:
        folders = (maildirs[name] / part for name in names for part in ("new", "cur"))
        return sum(len(os.listdir(folder)) for folder in folders if folder.is_dir())

    return seen


class Target:
    """A mail server, accounts of it, and how many messages are visible in some of them."""

    def __init__(
        self, net: Network, machine: Machine, sender: Domain, accounts: Iterable[str], seen: Seen
    ) -> None:
        self.net = net
        self.machine = machine
        self.sender = sender
        self.accounts = list(accounts)
        self._visible = seen

    def run(self, count: int, sessions: int, mark: str) -> Load:
        """Send `count` messages to the accounts in turn over `sessions` connections; await all of them."""
        addresses = [self.accounts[number % len(self.accounts)] for number in range(count)]
        letters = [(to, self.sender.letter(number, mark, to)) for number, to in enumerate(addresses)]
        before = self._visible(self.accounts) + count
        cpu, begin = cpu_seconds(self.machine), time.perf_counter()
        asyncio.run(self._send(letters, sessions))
        while self._visible(self.accounts) < before:
            if time.perf_counter() > begin + _PATIENCE:
                raise RuntimeError("not all messages arrived")
            time.sleep(0.02)
        return Load(count, time.perf_counter() - begin, cpu_seconds(self.machine) - cpu)

    def light(self, count: int, mark: str) -> tuple[float, float]:
        """One message at a time: median seconds from MAIL to 250, and from there to visible."""
        to = self.accounts[0]
        accepted, seen = [], []

        async def work() -> None:
            session = await self._open()
            for number in range(count):
                letter, before = self.sender.letter(number, mark, to), self._visible([to])
                accepted.append(await session.send(to, letter))
                end = time.perf_counter()
                while self._visible([to]) <= before:
                    time.sleep(0.0005)
                    if time.perf_counter() > end + _PATIENCE:
                        raise RuntimeError("a message did not arrive")
                seen.append(time.perf_counter() - end)
            session.writer.close()

        asyncio.run(work())
        return statistics.median(accepted), statistics.median(seen)

    async def _send(self, letters: Iterable[tuple[str, bytes]], sessions: int) -> None:
        rest = iter(letters)

        async def work() -> None:
            session = await self._open()
            for to, letter in rest:
                await session.send(to, letter)
            session.writer.close()

        await asyncio.gather(*(work() for _ in range(sessions)))

    async def _open(self) -> _Session:
        with self.net.inside():
            sock = socket.create_connection((self.machine.ipv4, 25), timeout=30)
        sock.setblocking(False)
        session = _Session(*await asyncio.open_connection(sock=sock))
        await session.say(b"", b"220")
        await session.say(f"EHLO {CLIENT}\r\n".encode(), b"250")
        return session


def cpu_seconds(machine: Machine) -> float:
    """CPU seconds that a machine has used since it was booted (cgroup v2, cpu.stat)."""
    stat = dict(line.split() for line in (machine.cgroup.path / "cpu.stat").read_text().splitlines())
    return int(stat["usage_usec"]) / 1e6
