"""The whole project is clean: ruff's checks and format, mypy --strict."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_lint_is_clean() -> None:
    done = subprocess.run(
        [ROOT / "script/lint"], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
