"""Records wanted and records seen."""
