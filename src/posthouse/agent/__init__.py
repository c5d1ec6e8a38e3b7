"""The one resident process: milter of submitted and local mail, keeper of the directory."""
