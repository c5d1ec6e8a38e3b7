from __future__ import annotations

import os
import pickle

import pytest

from posthouse.errors import PosthouseError
from posthouse.host.run import CommandFailed, run


def test_answers_with_everything_that_was_said() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_failure_quotes_the_command_and_its_words() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo 'no such thing' >&2; exit 4"])
    assert "ended with status 4" in str(caught.value)
    assert "no such thing" in str(caught.value)


def test_the_environment_is_not_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/somewhere/else")
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    told = run(["env"], env={"MORE": "yes"}).stdout.splitlines()
    assert "LC_ALL=C.UTF-8" in told
    assert "MORE=yes" in told
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin" in told
    assert not [line for line in told if line.startswith(("PYTHONPATH", "LC_MESSAGES"))]


def test_input_is_given_and_stdin_is_empty_without() -> None:
    assert run(["cat"], input="grüße").stdout == "grüße"
    assert run(["cat"]).stdout == ""


def test_a_daemon_left_behind_does_not_keep_us_waiting() -> None:
    done = run(["sh", "-c", "sleep 30 & echo $!"], timeout=10)
    os.kill(int(done.stdout), 9)


def test_time_that_runs_out() -> None:
    with pytest.raises(CommandFailed, match="still running"):
        run(["sleep", "30"], timeout=0.1)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(CommandFailed, match="could not be started"):
        run(["no-such-program"])


def test_a_failure_crosses_a_process_border() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["false"])
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, PosthouseError)
    assert again.message == caught.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_another_user() -> None:
    assert run(["id", "-un"], user="nobody").stdout == "nobody\n"
    with pytest.raises(PosthouseError, match="no user"):
        run(["id"], user="no-such-user")
