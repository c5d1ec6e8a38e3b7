"""Runs on the server, in the filter's place: takes every connection on its socket and answers it with nonsense.

python3 fake_filter.py SOCKET KIND
"""

import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

OPTIONS = b"O" + struct.pack("!III", 6, 0x1FF, 0)  # "version 6, I may do anything, and want to see all"


def packet(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def answer(line: socket.socket, kind: str) -> None:
    if kind == "hangs-up":
        return
    if kind == "babbles":
        line.recv(4096)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 100)
    elif kind == "huge":
        line.recv(4096)
        line.sendall(struct.pack("!I", 0xFFFFFFFF) + b"O" * 100)
    elif kind == "unknown-reply":
        line.recv(4096)
        line.sendall(packet(OPTIONS))
        while line.recv(65536):
            line.sendall(packet(b"\xff nonsense\0"))
    elif kind == "half":
        line.recv(4096)
        line.sendall(packet(OPTIONS)[:7])
    time.sleep(0.2)


path, kind = sys.argv[1:]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
Path(path).chmod(0o666)
server.listen(50)
print("ready", flush=True)
while True:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        answer(connection, kind)
