"""What the operator asks for as a whole (up, apply, rollback): ties site, stack and probe to the engine."""
