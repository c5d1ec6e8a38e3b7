"""What must be run afterwards is run, however the block ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.host.pipes import afterwards
from posthouse.lab.wait import until


def test_when_the_block_has_ended_and_not_before(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with afterwards(["/usr/bin/touch", str(made)]):
        assert not made.exists()
    assert made.exists()


def test_after_an_error(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(KeyError), afterwards(["/usr/bin/touch", str(made)]):
        raise KeyError
    assert made.exists()


def test_after_the_process_was_killed(tmp_path: Path) -> None:
    made = tmp_path / "made"
    program = (
        "import os, signal, sys; from posthouse.host.pipes import afterwards\n"
        "with afterwards(['/usr/bin/touch', sys.argv[1]]): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(made)], check=False).returncode == -9
    until(made.exists, 30, "the program to run")
