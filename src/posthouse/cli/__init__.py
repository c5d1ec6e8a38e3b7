"""The command line: one file per command; reads arguments, calls below, prints."""
