"""What `apply` would change."""

from __future__ import annotations

from posthouse.engine import apply as engine_apply
from posthouse.engine.plan import Plan
from posthouse.ops.context import Context
from posthouse.ops.target import target


def plan(context: Context) -> Plan:
    """Compare the machine with what its site file asks for. Changes nothing. PosthouseError."""
    return engine_apply.plan(context.engine, target(context, "plan"))
