"""A table with a header line, as every spreadsheet saves one (RFC 4180): comma, semicolon or tab between."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence

from posthouse.errors import UsageError
from posthouse.imports.people import Problems, Where

_LONGEST_CELL = 2**20


def rows(
    text: str,
    file: str,
    problems: Problems,
    columns: Sequence[str],
    required: Sequence[str],
    also: Mapping[str, str] | None = None,
    separator: str | None = None,
) -> Iterator[tuple[Where, dict[str, str]]]:
    """Give each row by its columns' names; one with too few or too many cells is a problem.

    `columns`: those that may be there; `required`: those that must; `also`: other names of columns.

    Raises:
        UsageError: it is no table, or its header is wrong.
    """
    hint, text, first = _hint(text)
    separator = separator or hint or _separator(text)
    found = _rows(text, file, separator, first)
    if not found:
        raise UsageError(
            f"{file}: no header line", f"Its first line names the columns: {', '.join(columns)}."
        )
    names = _header(file, *found[0], columns, required, also or {})
    for line, cells in found[1:]:
        where = Where(file, line)
        if len(cells) == len(names):
            yield where, dict(zip(names, cells, strict=True))
            continue
        quotes = "; a cell with the separator in it, such as an argon2 hash, stands in quotes"
        more = quotes if len(cells) > len(names) else ""
        problems.add(where, f"expected {len(names)} cells, found {len(cells)}{more}")


def _hint(text: str) -> tuple[str | None, str, int]:
    """Take off the line "sep=;" that some spreadsheets write and read; return it, the rest, its first line."""
    found = re.match(r'"?sep=(.)"?\r?\n', text)
    return (found[1], text[found.end() :], 2) if found else (None, text, 1)


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return max((",", ";", "\t"), key=header.count)


def _rows(text: str, file: str, separator: str, first: int) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of its first line."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, line = [], first
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + first
    except csv.Error as error:
        raise UsageError(
            f"{file}:{line}: this is no CSV: {error}",
            'A cell with a quote in it is written "like ""this""", and its last quote ends it.',
        ) from error
    return rows


def _header(
    file: str,
    line: int,
    cells: list[str],
    columns: Sequence[str],
    required: Sequence[str],
    also: Mapping[str, str],
) -> list[str]:
    words = [cell.strip().lower().replace(" ", "_") for cell in cells]
    names = [also.get(word, word) for word in words]
    unknown = [name or "(empty)" for name in names if name not in columns]
    double = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in required if name not in names]
    for what, found in (
        ("unknown columns", unknown),
        ("columns twice", double),
        ("columns missing", missing),
    ):
        if found:
            raise UsageError(f"{file}:{line}: {what}: {', '.join(found)}", f"Known are {', '.join(columns)}.")
    return names
