"""Plans for the reader: text and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from posthouse.engine.goals import Drift
from posthouse.engine.plan import Change, Plan

_MARKS = {"create": "+", "install": "+", "remove": "-", "stop": "-", "restore": "<"}


def render_text(plan: Plan, *, diffs: bool = True) -> str:
    """Return the plan for a terminal, without a last newline."""
    lines = [*plan.notes, *([""] if plan.notes else [])]
    for change in plan.changes:
        lines.append(
            f"{_MARKS.get(change.action, '~')} {change.action} {change.kind} {change.what}: {change.reason}"
        )
        if diffs and change.diff:
            lines += [f"    {line}" for line in change.diff.splitlines()]
    if plan.drift:
        lines += ["", "Changed by hand, and left as it is:"]
        lines += [
            f"! {drift.path}: {drift.what}{'' if drift.managed else ' (no longer managed)'}"
            for drift in plan.drift
        ]
        lines.append("  Say `posthouse drift show`, and then `drift adopt PATH` or `drift discard PATH`.")
    if not plan.changes:
        lines += ["Nothing to do: the machine is as the configuration says."]
    else:
        lines += ["", f"{count(plan.changes)}. Plan {plan.digest}"]
    return "\n".join(lines)


def count(changes: Iterable[Change]) -> str:
    """Say how many changes of which kind."""
    kinds: dict[str, int] = {}
    for change in changes:
        kinds[change.kind] = kinds.get(change.kind, 0) + 1
    words = {"directory": "directories", "derived": "derived files", "proof": "proof"}
    return ", ".join(
        f"{number} {kind if number == 1 else words.get(kind, kind + 's')}" for kind, number in kinds.items()
    )


def to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain JSON values: {digest, changes, drift, notes}."""
    return {
        "digest": plan.digest,
        "changes": [
            {
                "kind": change.kind,
                "what": change.what,
                "action": change.action,
                "reason": change.reason,
                "diff": change.diff,
            }
            for change in plan.changes
        ],
        "drift": [drift_json(drift) for drift in plan.drift],
        "notes": list(plan.notes),
    }


def drift_json(drift: Drift) -> dict[str, Any]:
    """Return a hand edit as plain JSON values: {path, what, managed}."""
    return {"path": str(drift.path), "what": drift.what, "managed": drift.managed}
