"""Mail as it flows: probe, log, queue."""
