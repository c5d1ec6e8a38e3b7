"""A mail server that somebody made by hand, read and said anew: nothing here changes the machine.

`look` gathers texts and rows; a file for each thing that is found reads them; `translate` says what becomes of it
all. `ops.takeover` shows that and carries it out.
"""
