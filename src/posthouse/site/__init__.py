"""The operator's file as a typed model. Imports nothing that does I/O on the machine."""
