"""Who listens on which port, read from /proc (proc_net(5), proc_pid_fd(5)): no program is needed for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Literal

_LISTEN, _UDP_UNCONNECTED = "0A", "07"


@dataclass(frozen=True)
class Listener:
    """A socket that takes connections or datagrams; `inode` leads to its process."""

    protocol: Literal["tcp", "udp"]
    address: IPv4Address | IPv6Address
    port: int
    inode: str


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Return every listening TCP and every unconnected UDP socket. OSError where /proc is not there."""
    found = []
    for protocol, state in (("tcp", _LISTEN), ("udp", _UDP_UNCONNECTED)):
        for table in (proc / "net" / protocol, proc / "net" / f"{protocol}6"):
            if table.exists():
                found += [
                    Listener(protocol, _address(fields[1]), int(fields[1].rpartition(":")[2], 16), fields[9])  # type: ignore[arg-type]
                    for line in table.read_text().splitlines()[1:]
                    if (fields := line.split())[3] == state
                ]
    return found


def holders(inodes: set[str], proc: Path = Path("/proc")) -> dict[str, int]:
    """Return the process that holds each socket, where it can be seen."""
    found: dict[str, int] = {}
    for pid, inode in _open_sockets(proc):
        if inode in inodes:
            found.setdefault(inode, pid)
    return found


def name_of(pid: int, proc: Path = Path("/proc")) -> str:
    """Return a process's name as the kernel has it; empty where it is gone."""
    with suppress(OSError):
        return (proc / str(pid) / "comm").read_text().strip()
    return ""


def program_of(pid: int, proc: Path = Path("/proc")) -> str:
    """Return the path of a process's program; empty where it cannot be seen."""
    with suppress(OSError):
        return str((proc / str(pid) / "exe").readlink())
    return ""


def _open_sockets(proc: Path) -> Iterator[tuple[int, str]]:
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        with suppress(OSError):
            for number in os.listdir(proc / entry / "fd"):
                with suppress(OSError):
                    target = str((proc / entry / "fd" / number).readlink())
                    if socket := re.fullmatch(r"socket:\[(\d+)\]", target):
                        yield int(entry), socket[1]


def _address(text: str) -> IPv4Address | IPv6Address:
    """Return the address of `0100007F:0019`: 32-bit words in the machine's (little-endian) order."""
    digits = text.partition(":")[0]
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    return ip_address(b"".join(words))
