"""The operator's file as a typed model. Reads that one file, and does no other I/O."""
