"""Read the site file: TOML text to `Site`, with all its errors at once, each with its line.

`check` keeps the errors as data; `load` and `parse` raise them as one `SiteFileError`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from posthouse import paths
from posthouse.errors import UsageError
from posthouse.site.model import Site
from posthouse.site.positions import positions

_LARGEST = 1_048_576  # bytes; nobody writes a megabyte of settings


@dataclass(frozen=True)
class Problem:
    """One thing wrong in the file. `line` counts from 1; None where it is about the file as a whole."""

    message: str
    line: int | None = None
    column: int | None = None
    key: str = ""

    def text(self, name: str) -> str:
        """Return it as `file:line: key: message`."""
        where = ":".join(str(part) for part in (name, self.line, self.column) if part is not None)
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class SiteFileError(UsageError):
    """The site file is wrong; exit status 2. `problems` holds every one of them, in the file's order."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(
            "\n".join(problem.text(name) for problem in problems),
            "Mend the file and say the same again; `posthouse config reference` explains every key.",
        )


def load(path: Path = paths.SITE_FILE) -> Site:
    """Return the site that the file describes. SiteFileError where it does not."""
    return parse(read(path), str(path))


def read(path: Path) -> str:
    """Return the file's text. UsageError where there is none, SiteFileError where it is not UTF-8 text."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: there is no site file yet.", "Begin with: sudo posthouse up DOMAIN"
        ) from error
    except OSError as error:
        raise SiteFileError(str(path), [Problem(f"cannot be read: {error.strerror}")]) from error
    if len(data) > _LARGEST:
        raise SiteFileError(str(path), [Problem("is larger than 1 MiB: this is not a site file")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SiteFileError(
            str(path), [Problem(f"expected UTF-8 text, found the byte 0x{data[error.start]:02x}", line)]
        ) from error


def parse(text: str, name: str = "posthouse.toml") -> Site:
    """Return the site that a TOML text describes; `name` stands in the errors. SiteFileError."""
    site, problems = check(text)
    if site is None:
        raise SiteFileError(name, problems)
    return site


def check(text: str) -> tuple[Site | None, list[Problem]]:
    """Return the site and no problems, or None and every problem in the file's order."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax(text, str(error))]
    except RecursionError:
        return None, [Problem("is nested too deeply: this is not a site file")]
    try:
        return Site.model_validate(data), []
    except ValidationError as error:
        lines = positions(text)
        problems = [_problem(entry, lines) for entry in error.errors(include_url=False)]
        return None, sorted(problems, key=lambda problem: (problem.line or 0, problem.key))


def _syntax(text: str, said: str) -> Problem:
    """Turn tomllib's message, `... (at line 3, column 5)` or `(at end of document)`, into a problem."""
    last = text.rstrip().count("\n") + 1
    found = re.fullmatch(r"(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)", said, re.DOTALL)
    if not found:
        return Problem(f"is not TOML: {said}")
    message = found[1][:1].lower() + found[1][1:]
    line, column = (int(found[2]), int(found[3])) if found[2] else (last, None)
    if "overwrite a value" in message or "twice" in message:
        # tomllib says it where the value ends
        message, column = "this key or table stands in the file twice; keep one", None
    elif column is None:
        message = f"the file ends in the middle of something ({message}); is it only half written?"
    return Problem(message, line, column)


def _problem(entry: Mapping[str, Any], lines: Mapping[tuple[str | int, ...], int]) -> Problem:
    # pydantic has a word of its own behind a key that is wrong itself.
    where: tuple[str | int, ...] = tuple(part for part in entry["loc"] if part != "[key]")
    path = where
    while path and path not in lines:
        path = path[:-1]
    return Problem(_message(entry, where), lines.get(path), key=".".join(str(part) for part in where))


def _message(entry: Mapping[str, Any], where: tuple[str | int, ...]) -> str:
    kind, context = entry["type"], entry.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known(where[:-1])
        near = get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
        return (
            f"there is no such key; did you mean {near[0]!r}?"
            if near
            else (f"there is no such key; known here: {', '.join(known)}")
        )
    if kind == "missing":
        return "this key must be set"
    if kind == "value_error":
        return str(context["error"])
    expected = _EXPECTED.get(kind, "{msg}").format(msg=entry["msg"], **context)
    return f"expected {expected}, found {_found(entry['input'])}"


_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "an ordinary number",
    "bool_type": "true or false",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le}",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _found(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _known(path: tuple[str | int, ...]) -> list[str]:
    """Return the names of the keys that a table may hold."""
    model: type[BaseModel] = Site
    for part in path:
        if isinstance(part, int):  # of a list of tables
            continue
        annotation = model.model_fields[part].annotation
        for candidate in (annotation, *get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return [info.alias or name for name, info in model.model_fields.items()]
