"""What goes wrong in the lab itself (never what a command inside a machine answers)."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from posthouse.errors import PosthouseError


class LabError(PosthouseError):
    """The lab could not do what was asked; the text says what was run and what it answered."""


def call(argv: Sequence[str | Path], stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program on the host and return its stdout.

    Raises:
        LabError: it is not there, or ended with another status than 0.
    """
    try:
        done = subprocess.run(
            [str(part) for part in argv], input=stdin, env=env, text=True, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed on this host") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(map(str, argv))} ended with {done.returncode}: {said}")
    return done.stdout
