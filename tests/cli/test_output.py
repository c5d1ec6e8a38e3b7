"""What the commands share: passwords read, questions asked, tables, root."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.cli import _output
from posthouse.errors import UsageError


def given_on_fd(data: bytes) -> str:
    reading, writing = os.pipe()
    try:
        os.write(writing, data)
        os.close(writing)
        return _output.read_password(fd=reading)
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    "password", ['with "quotes"', "it's", " spaces ", "100%", "$HOME `id`", "ä€𝄞", "\u00a0", "x" * 1024]
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_comes_through_as_it_is(password: str, end: str) -> None:
    assert given_on_fd((password + end).encode()) == password


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"one\ntwo\n", "one line"),
        (b"nul\0\n", "control"),
        (b"tab\t\n", "control"),
        (b"\xff\n", "UTF-8"),
        (b"x" * 4096 + b"\n", "1024"),
    ],
)
def test_a_bad_password_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        given_on_fd(data)
    assert says in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_password_or_refused(data: bytes) -> None:
    try:
        password = given_on_fd(data)
    except UsageError:
        return
    assert data in {password.encode() + end for end in (b"", b"\r", b"\n", b"\r\n")}


def test_a_descriptor_that_is_not_open() -> None:
    with pytest.raises(UsageError, match="descriptor 987"):
        _output.read_password(fd=987)


def on_a_terminal(code: str, answers: list[str]) -> tuple[int, str]:
    """Run code with a terminal; each answer is typed when a question (": ") is waiting."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    seen = ""
    while True:
        try:
            seen += os.read(terminal, 4096).decode()
        except OSError:
            break
        if seen.endswith(": ") and answers:
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen


READ = "from posthouse.cli import _output; import sys; sys.exit(_output.read_password() != 'hush')"


def test_a_password_is_asked_twice_without_echo() -> None:
    status, seen = on_a_terminal(READ, ["hush", "hush"])
    assert status == 0
    assert "again" in seen
    assert "hush" not in seen


def test_two_answers_that_differ() -> None:
    assert "differ" in on_a_terminal(READ, ["hush", "hash"])[1]


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("", 1), ("n", 1)])
def test_confirm_on_a_terminal(answer: str, status: int) -> None:
    code = "from posthouse.cli import _output; _output.confirm('Sure?', False)"
    assert (on_a_terminal(code, [answer])[0] != 0) == bool(status)


def test_confirm_without_a_terminal() -> None:
    _output.confirm("Sure?", True)
    done = subprocess.run(
        [sys.executable, "-c", "from posthouse.cli import _output; _output.confirm('Sure?', False)"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "--yes" in done.stderr


def test_a_table_is_aligned_and_safe() -> None:
    text = _output.table([("a", None, True), ("long\x1b[31m", 5, False)], ("NAME", "N", "ON"))
    assert text.splitlines() == ["NAME       N  ON", "a          -  yes", "long?[31m  5  no"]


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[31m" in _output.style("x", "red", stream=terminal)  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert _output.style("x", "red", stream=terminal) == "x"  # type: ignore[arg-type]


def test_a_command_that_needs_root_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.argv", ["posthouse", "up", "snorl.ax"])
    with pytest.raises(UsageError, match="must be run by root") as caught:
        _output.require_root()
    assert "sudo posthouse up" in str(caught.value)


class Terminal(io.StringIO):
    """Somebody's terminal."""

    def isatty(self) -> bool:
        return True


@given(st.text() | st.text("\x1b[0123;m\x9b\u202e\x07\udc80ab\n\t"), st.booleans())
def test_no_foreign_byte_reaches_a_terminal(text: str, terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        _output.emit(text)
        _output.note(text)
        _output.emit_json({text: [text]})
    written = stream.getvalue()
    if terminal:  # colours are no harm
        written = re.sub(r"\033\[(0|1|2|31|32|33)(;(1|2|31|32|33))*m", "", written)
    assert all(char.isprintable() or char in "\n\t" for char in written)


@given(st.text())
def test_json_says_the_same(text: str) -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        _output.emit_json({text: text})
    assert json.loads(stream.getvalue()) == {text: text}


def test_our_own_styles_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    _output.emit(_output.style("caf\xe9\x07", "bold", "red"))
    assert stream.getvalue() == "\033[1;31mcaf\xe9?\033[0m\n"
