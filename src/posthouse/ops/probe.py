"""Probe the mail service, and keep what that says of the generation in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.ops import apply
from posthouse.ops.context import Context, Note

if TYPE_CHECKING:
    from posthouse.mailflow.probe import ProbeReport


def probe(context: Context, note: Note, *, dialogue: bool = False) -> ProbeReport:
    """Send mail through every port. PosthouseError where that could not even begin."""
    from posthouse.mailflow import probe as mailflow

    report = mailflow.run(context.site, note=note, dialogue=dialogue)
    failed = "; ".join(f"{step.name}: {step.detail}" for step in report.failures)
    apply.record_proof(context.base, None if report.ok else f"mail does not flow: {failed}")
    return report
