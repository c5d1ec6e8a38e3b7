"""Observe, plan, apply, generation, rollback over a handful of resource kinds. Knows nothing about mail."""
