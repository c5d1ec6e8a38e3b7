"""The text of a file, whatever program wrote it: UTF-8, with a mark or without; UTF-16 with its mark."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from posthouse.errors import UsageError

_LARGEST = 256 * 2**20  # bytes: far more than any list of accounts


def read(name: str, encoding: str | None = None) -> str:
    """Return the text of the file; "-" is stdin.

    Raises:
        UsageError: it cannot be read, is too large, or is not text in this encoding.
    """
    return decode(_bytes(name), shown(name), encoding)


def shown(name: str) -> str:
    """Return a file's name for messages."""
    return "stdin" if name == "-" else name


def decode(data: bytes, name: str, encoding: str | None = None) -> str:
    """Return bytes as text, without the byte order mark. UsageError: as `read`."""
    if encoding is None:
        marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
        encoding = next((value for mark, value in marks.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except LookupError:
        raise UsageError(f"there is no encoding {encoding!r}", "Such as utf-8 or windows-1252.") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{name}:{line}: expected text in {error.encoding}, found byte 0x{data[error.start]:02x}",
            "Save it as UTF-8, or name its encoding: --encoding windows-1252",
        ) from None
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UsageError(
            f"{name}:{line}: a zero byte; this is no text file, or is in UTF-16 without a mark",
            "Save it as UTF-8, or name its encoding: --encoding utf-16-le",
        )
    return text


def _bytes(name: str) -> bytes:
    try:
        if name == "-":
            with os.fdopen(0, "rb", closefd=False) as stream:
                data = stream.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{shown(name)}: {error.strerror}", "Name a file that can be read.") from error
    if len(data) > _LARGEST:
        raise UsageError(f"{shown(name)}: over {_LARGEST >> 20} MiB", "Split it.")
    return data
