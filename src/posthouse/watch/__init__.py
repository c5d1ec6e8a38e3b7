"""The watch: reads the mail log as it is written, and bans whoever misbehaves (docs/bans.md).

    follow (the log) -> signs (what a line says of an address) -> score (who is to be banned) -> store, table (nftables)

Runs as root in a sandbox: the log and the packet filter are root's. What it reads is written by strangers.
"""
