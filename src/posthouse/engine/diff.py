"""Diffs in which no secret shows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from posthouse.engine.goal import Goal
from posthouse.host.files import FileState
from posthouse.resources import Blueprint, File

MASK = "••••"


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
