"""What no honest mail has more of; beyond these a message is refused by either filter (docs/receiving.md)."""

from __future__ import annotations

HEADER = 524_288  # bytes of a message's header
FIELDS = 1000  # of that header
PARTS = 1000  # MIME parts, all levels together
DEPTH = 30  # parts within parts
