"""Pages of files that a process read once can be let go of."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.host.page_out import mapped, page_out

SIZE = 8 * 2**20
HOLDS = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(pages[::4096])
print("read", flush=True)
sys.stdin.read(1)
print(sum(pages[::4096]), flush=True)
"""


def resident(pid: int, path: Path) -> int:
    """Bytes of the file that are in the process's memory (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith(str(path)))
    rss = next(line for line in lines[at:] if line.startswith("Rss:"))
    return int(rss.split()[1]) * 1024


def test_pages_go_and_come_back(tmp_path: Path) -> None:
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True)
    if kind.stdout.strip() == "tmpfs":
        pytest.skip("no disk below the folder for temporary files, which pages could be read again from")
    path = tmp_path / "patterns.unser"
    path.write_bytes(b"\x01" * SIZE)
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "read\n"
        before = resident(process.pid, path)
        assert page_out(process.pid, ".other") == 0
        try:
            assert page_out(process.pid, ".unser") == SIZE
        except OSError as error:
            process.communicate("\n")
            if error.errno in (errno.ENOSYS, errno.EPERM):
                pytest.skip(f"this kernel lets nobody do that: {error}")
            raise
        assert resident(process.pid, path) < before / 2
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{SIZE // 4096}\n"


def test_no_such_process() -> None:
    with pytest.raises(OSError, match="No such"):
        page_out(2**22 - 1, ".unser")
    assert list(mapped(os.getpid(), ".unser")) == []
