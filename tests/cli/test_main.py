"""The command line as a whole: lazy, helpful, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from posthouse.cli import main
from posthouse.engine.core import Interrupted
from posthouse.errors import PosthouseError, UsageError


def posthouse(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "posthouse", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str) -> None:
    context = click.Context(main.cli)
    command = main.cli.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str()
    assert command.make_context(name, [], parent=context, resilient_parsing=True).get_help()


def test_help_loads_no_command() -> None:
    code = (
        "import sys; from posthouse.cli.main import run; run(['--help']);"
        "print(sorted(m for m in sys.modules if m.startswith(('posthouse.', 'pydantic'))), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = "['posthouse.cli', 'posthouse.cli.main', 'posthouse.errors']"
    assert done.stderr.strip() == loaded
    for name in main.COMMANDS:
        assert f"\n  {name}" in done.stdout


def test_a_mistyped_command_is_answered_with_the_near_one() -> None:
    done = posthouse("aply")
    assert done.returncode == 2
    assert "Did you mean apply?" in done.stderr
    assert done.stdout == ""


def test_version() -> None:
    assert posthouse("--version").stdout.startswith("posthouse ")


class Raises(click.Command):
    """A command that ends in an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("raises", callback=self.fail)
        self.error = error

    def fail(self) -> None:
        raise self.error


def ends(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(main.cli, "get_command", lambda *_: Raises(error))
    monkeypatch.setitem(main.COMMANDS, "raises", ("", ""))
    return main.run(["raises"])


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (PosthouseError("expected a, found b", "Do c."), 1, "posthouse: expected a, found b\n  Do c.\n"),
        (UsageError("no"), 2, "posthouse: no\n"),
        (KeyboardInterrupt(), 130, "\nposthouse: stopped\n"),
        (Interrupted("stopped by SIGTERM", 15), 143, "\nposthouse: stopped\n"),
        (OSError(28, "No space left on device", "/x"), 1, "posthouse: /x: No space left on device\n  Free"),
        (PermissionError(13, "Permission denied", "/x"), 1, "posthouse: /x: Permission denied\n"),
    ],
)
def test_an_error_is_a_sentence_and_a_status(
    error: BaseException,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends(error, monkeypatch) == status
    assert capsys.readouterr().err.startswith(says)


def test_a_bug_is_one_line_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("posthouse.paths.LOG", tmp_path)
    assert ends(ZeroDivisionError("by zero"), monkeypatch) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "bug in posthouse: ZeroDivisionError: by zero" in line
    (kept,) = tmp_path.iterdir()
    assert str(kept) in line
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_traceback_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTHOUSE_DEBUG", "1")
    assert ends(PosthouseError("no"), monkeypatch) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "posthouse", "config", "reference"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == ""


def test_a_full_disk_under_the_output_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "posthouse", "config", "reference"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    assert "_POSTHOUSE_COMPLETE" in posthouse("completion", shell).stdout


def test_completion_of_commands() -> None:
    environment = {
        **os.environ,
        "_POSTHOUSE_COMPLETE": "bash_complete",
        "COMP_WORDS": "posthouse ge",
        "COMP_CWORD": "1",
    }
    assert "generations" in posthouse(env=environment).stdout
