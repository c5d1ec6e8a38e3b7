"""A mail server made by hand, file by file: what `up --adopt` takes over.

`files/` holds its configuration at the places where it stands, `common` for both Debians; `packages.sh` and
`set_up.sh` are what its operator typed. `accounts` fills the directory, `mail` the mailboxes and the queue.
"""
