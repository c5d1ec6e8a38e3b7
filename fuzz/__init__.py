"""Hostile input by the million, for everything that reads what strangers send: script/fuzz, docs/fuzz.md."""
