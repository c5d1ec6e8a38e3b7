"""Who has mail: domains, accounts, aliases and grants in SQL.

The tables and views are a contract (`migrations/sqlite/0001_directory.sql`): Postfix and Dovecot read them by
the text of `queries`, and whoever writes plain SQL is as welcome as these functions. A change is live at the
next lookup; nothing is reloaded.

SQLite is in WAL mode. Its -wal and -shm files must exist for readers that may not make them (Postfix and
Dovecot read by group), and the last connection to close would remove them. So commands close theirs while
they `hold` the file, and the agent keeps a connection and a hold for as long as it runs. What is left is
root's own `sqlite3` while the agent is stopped and nobody reads: the agent's start, or any command, brings
them back.
"""

from sqlite3 import Connection

from posthouse.directory.connect import (
    open_readonly,
    open_writer,
    reading,
    transaction,
    translated,
    writing,
)
from posthouse.directory.migrate import migrate

__all__ = [
    "Connection",
    "migrate",
    "open_readonly",
    "open_writer",
    "reading",
    "transaction",
    "translated",
    "writing",
]
