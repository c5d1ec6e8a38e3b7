"""What the commands share: JSON and tables on stdout, notes on stderr, questions, passwords, root.

The result goes to stdout, everything else to stderr. Colour only on a terminal, and never with NO_COLOR
(no-color.org). What DNS, other servers, mail and logs hold is a stranger's: nothing of it but printable characters
comes through here, whatever a command forgets. Imports nothing heavy: every command loads this file.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from posthouse.errors import UsageError

_STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}
# What `style` writes, and nothing that moves the cursor or hides a text.
_OURS = re.compile(r"(\033\[(?:0|1|2|31|32|33)(?:;(?:1|2|31|32|33))*m)")
_HIDDEN = re.compile(r"[^\n -~]")


def plain(text: str, stream: TextIO | None = None) -> str:
    """Return a text of which no terminal can be misled: "?" for what cannot be printed, but ends of lines and tabs.

    Our own styles stay where `stream` shows colour.
    """
    if not _HIDDEN.search(text):
        return text
    if stream is not None and _shows_colour(stream):
        return "".join(part if at % 2 else plain(part) for at, part in enumerate(_OURS.split(text)))
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)


def emit(text: str = "") -> None:
    """Print a line of the result on stdout. OSError where it cannot be written."""
    sys.stdout.write(plain(text, sys.stdout) + "\n")


def emit_json(value: Any) -> None:
    """Print a value as JSON on stdout: indented, not ASCII-escaped, paths and dates as text."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # JSON leaves some as they are that a terminal may obey (C1), or that turn the direction of writing.
    sys.stdout.write(_HIDDEN.sub(lambda found: _escaped(found[0]), text) + "\n")


def _escaped(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


def note(text: str) -> None:
    """Print a line for the operator on stderr; a closed stderr is nobody's error."""
    try:
        sys.stderr.write(plain(text, sys.stderr) + "\n")
        sys.stderr.flush()
    except OSError:
        pass


def style(text: str, *names: str, stream: TextIO | None = None) -> str:
    """Return the text in the given styles (bold, red, green, yellow, dim) where `stream` shows colour."""
    stream = sys.stdout if stream is None else stream
    if not _shows_colour(stream):
        return text
    return f"\033[{';'.join(_STYLES[name] for name in names)}m{text}\033[0m"


def _shows_colour(stream: TextIO) -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> str:
    """Return rows as aligned columns under their headers; `None` shows as `-`."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]
    lines = [style(_line(headers, widths), "bold"), *(_line(row, widths) for row in cells)]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = "-" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return "".join(c if c.isprintable() else "?" for c in text)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def interactive() -> bool:
    """Tell whether somebody is there to answer: stdin and stderr are both a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str) -> str:
    """Ask on the terminal and return the answer, or the default for an empty one."""
    sys.stderr.write(f"{question} [{default}]: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip() or default


def confirm(text: str, yes: bool) -> None:
    """Return when the operator agrees: `--yes`, or y on the terminal. Else UsageError: nothing done."""
    if yes:
        return
    if not interactive():
        raise UsageError(f"{text} This needs a yes, and there is no terminal to ask on.", "Add --yes.")
    if ask(f"{text} Go on? y/n", "n").lower() not in ("y", "yes"):
        raise UsageError("Not confirmed; nothing was done.")


def require_root() -> None:
    """UsageError unless root runs this."""
    if os.geteuid() != 0:
        arguments = " ".join(sys.argv[1:2])
        raise UsageError(
            f"posthouse {arguments} must be run by root; it was run by user number {os.geteuid()}.",
            f"Say: sudo posthouse {arguments} ...",
        )


def read_password(
    *, stdin: bool = False, fd: int | None = None, prompt: str = "Password", empty_ok: bool = False
) -> str:
    """Return a password from stdin or a file descriptor (one line), or asked for twice without echo.

    UsageError for an empty one (unless `empty_ok`), more than one line, control characters, bytes that are
    not UTF-8, two answers that differ, or no terminal to ask on.
    """
    if stdin and fd is not None:
        raise UsageError("--password-stdin and --password-fd were both given.", "Give one of them.")
    if stdin or fd is not None:
        return _checked(_one_line(0 if fd is None else fd), empty_ok)
    if not interactive():
        raise UsageError(
            "A password is needed, and there is no terminal to ask for it.", "Give it with --password-stdin."
        )
    import getpass

    first = getpass.getpass(f"{prompt}: ", stream=sys.stderr)
    if first and getpass.getpass(f"{prompt} again: ", stream=sys.stderr) != first:
        raise UsageError("The two passwords differ; nothing was changed.", "Say the same again.")
    return _checked(first, empty_ok)


def _checked(password: str, empty_ok: bool) -> str:
    from posthouse.directory import passwords

    if password or not empty_ok:
        passwords.check(password)
    return password


def _one_line(fd: int) -> str:
    """Read up to the first end of line, without waiting for the end of the file."""
    data = b""
    try:
        while b"\n" not in data and len(data) < 65536 and (more := os.read(fd, 65536)):
            data += more
    except OSError as error:
        raise UsageError(
            f"The password cannot be read from file descriptor {fd}: {error.strerror}."
        ) from error
    line, _, rest = data.partition(b"\n")
    if rest:
        raise UsageError(
            "Expected one line with the password, found several.", "A password cannot hold an end of line."
        )
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("The password is not UTF-8 text.") from error
