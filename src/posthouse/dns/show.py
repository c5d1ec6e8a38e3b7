"""Records as people read them and as programs do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from posthouse.dns.record import Record


def text(records: Iterable[Record]) -> str:
    """Return records as text: each with its purpose; a long TXT as one string, and as split strings."""
    lines: list[str] = []
    for record in records:
        lines += [f"; {record.purpose}", f"{record.name} {record.ttl} {record.type}", f"    {record.value}"]
        if len(record.strings) > 1:
            lines.append("  or, where strings may have 255 characters at most:")
            lines.append("    " + " ".join(f'"{string}"' for string in record.strings))
        lines.append("")
    return "\n".join(lines).rstrip()


def plain(record: Record) -> dict[str, Any]:
    """Return a record as JSON shows it."""
    found: dict[str, Any] = {
        "name": record.name,
        "ttl": record.ttl,
        "type": record.type,
        "value": record.value,
    }
    if record.type == "TXT":
        found["strings"] = list(record.strings)
    found["purpose"] = record.purpose
    found["level"] = record.level
    return found
