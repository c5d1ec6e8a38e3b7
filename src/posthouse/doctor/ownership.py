"""Whether the mail service on this machine is Posthouse's own work already."""

from __future__ import annotations

import json

from posthouse import paths


def ours() -> bool:
    """Tell whether Posthouse has set this machine up, or was cut off while it did."""
    if (paths.ENGINE / "journal").exists():
        return True
    try:
        state = json.loads((paths.ENGINE / "state.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(state, dict) and state.get("current", 0) > 0
