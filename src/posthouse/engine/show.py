"""Plans for the reader: text, JSON, and diffs in which no secret shows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from posthouse.host.files import FileState
from posthouse.resources import Blueprint, File

if TYPE_CHECKING:
    from posthouse.engine.goals import Drift, Goal
    from posthouse.engine.plan import Change, Plan

MASK = "••••"
_MARKS = {"create": "+", "install": "+", "remove": "-", "stop": "-", "restore": "<"}


def mask(text: str, files: Iterable[File]) -> str:
    """Return a text with all secrets of these files masked.

    What stands behind the same words as a secret of theirs (`password = `) is masked as well: it is what
    somebody put there by hand instead.
    """
    heads: set[str] = set()
    secrets: set[str] = set()
    for file in files:
        secrets.update(secret for secret in file.secrets if secret)
        for line in file.content.splitlines():
            for secret in file.secrets:
                head, found, _ = line.partition(secret) if secret else (line, "", "")
                if found and head.strip():
                    heads.add(head.strip())
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for head in heads:
        text = re.sub(rf"(?m)^(\s*{re.escape(head)}\s*)\S.*$", rf"\1{MASK}", text)
    return text


def unified(path: str, old: str, new: str) -> str:
    """Return a unified diff without a last newline; empty where the texts are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{path} (now)", f"{path} (then)", lineterm=""
    )
    return "\n".join(lines)


def diff_of(
    goal: Goal, there: FileState | None, old: bytes | None, blueprint: Blueprint, before: Blueprint
) -> str:
    """Return what a goal changes at its path: content as a diff, owner and mode in words."""
    files = [file for file in (*blueprint.files, *before.files) if file.path == goal.path]
    parts = []
    hidden = (
        there is not None and not there.mode & 0o004 and not any(f.path == goal.path for f in before.files)
    )
    if hidden and old != goal.content:
        # Not ours yet and not for everybody's eyes: what is secret in it nobody told us.
        parts.append("content differs (not shown: what is there is not readable by everybody)")
    elif old != goal.content and b"\0" in (old or b"") + (goal.content or b""):
        parts.append("content differs (not shown: it is no text)")
    elif (old is not None or goal.content is not None) and old != goal.content:
        before_text = mask((old or b"").decode(errors="replace"), files)
        after_text = mask((goal.content or b"").decode(errors="replace"), files)
        parts.append(
            unified(str(goal.path), before_text, after_text) or "only a secret, or an end of line, changes"
        )
    if goal.content is not None and goal.link is None and there is not None and there.kind == "file":
        has, wanted = (there.owner, there.group, there.mode), (goal.owner, goal.group, goal.mode)
        if has != wanted:
            parts.append("{}:{} {:04o} becomes {}:{} {:04o}".format(*has, *wanted))
    return "\n".join(parts)


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
