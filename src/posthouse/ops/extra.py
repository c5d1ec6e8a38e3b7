"""octoDNS, which not everybody needs: put into the program's environment when the site file asks for it.

As all libraries it comes by hashes that are written down (requirements/octodns.txt). A new environment, made for
another Python or another Posthouse, has it again as soon as it is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files
from posthouse.host.lock import exclusive
from posthouse.host.run import run
from posthouse.ops import install

_SECONDS = 900.0  # a slow line has its time
_PIP = "install --no-user --quiet --require-hashes --only-binary :all: -r"


def octodns(note: Callable[[str], None]) -> None:
    """See that it is there. `note` is told where that takes its time. PosthouseError where it cannot be had."""
    lock = install.source() / "requirements/octodns.txt"
    mark = Path(sys.prefix) / "octodns"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if _is(mark, digest):
        return
    try:
        with exclusive(paths.PROGRAM / ".setup.lock", _SECONDS, note):
            if _is(mark, digest):
                return
            note("installing octoDNS into the program's environment (once)")
            python = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input")
            done = run([*python, *_PIP.split(), lock], check=False, timeout=_SECONDS)
            if done.returncode != 0:
                raise PosthouseError(
                    f"octoDNS could not be installed: {(done.said.splitlines() or ['pip did not say why'])[-1]}",
                    "Mend what it says (the network, pip.conf, the disk), and say the same again.",
                )
            files.write_atomic(mark, digest.encode())
    except OSError as error:
        raise PosthouseError(f"octoDNS cannot be installed: {error.filename}: {error.strerror}") from error
    importlib.invalidate_caches()


def _is(mark: Path, digest: str) -> bool:
    return mark.is_file() and mark.read_text() == digest
