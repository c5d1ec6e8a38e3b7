"""Checks of the machine, one file per topic: ok, warning, failure or unknown, with evidence and mend."""
