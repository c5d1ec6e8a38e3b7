"""Who has mail: domains, accounts, aliases and grants in SQL, in SQLite or PostgreSQL.

The tables and views are a contract (`migrations/*/0001_directory.sql`): Postfix and Dovecot read them by the
text of `queries`, and whoever writes plain SQL is as welcome as these functions. A change is live at the next
lookup; nothing is reloaded.

Which database (`backend`; `place` is the path of an SQLite file or a `Server`, None the one in use):

    Server.local(port=5432)                  this machine's own cluster, peer authentication
    Server.at(url)                           postgresql://ROLE@HOST:PORT/DATABASE, TLS verified
    current() -> Place                       the one in use: read from /var/lib/posthouse/directory/backend
    switch(place) -> bool                    make it the one in use, atomically; the agent follows by itself
    reading(function, place), writing(...)   ask and change it, as the user that may
    migrate(place) -> bool                   make the tables, or bring them up to date; gives roles their rights

PostgreSQL alone (import them only where needed, since psycopg comes with them):

    roles.create(server, passwords) -> bool  local, by root: roles and database, kept where they are there
    roles.create_remote(server) -> {user: password}   by URL: Postfix's and Dovecot's roles, new passwords
    roles.write_passfile(server, user, password, role=None) -> Path   by root; `backend.passfile(user)`

A first start: `create` (or, by URL, `write_passfile` of the owner's password, with `role=server.role`,
`migrate`, `create_remote` and the others' passfiles), then `migrate(server)`, then `switch(server)`.

To another database (`carry`), with everybody at work:

    carry.carry(source, target, note) -> Counts   freeze the source, copy all of it, verify; said again after
                                             a kill, it begins anew. Then `switch(target)`
    carry.thaw(place)                        let writers in again, where the move was given up

SQLite is in WAL mode. Its -wal and -shm files must exist for readers that may not make them (Postfix and
Dovecot read by group), and the last connection to close would remove them. So commands close theirs while
they `hold` the file, and the agent keeps a connection and a hold for as long as it runs. What is left is
root's own `sqlite3` while the agent is stopped and nobody reads: the agent's start, or any command, brings
them back.
"""

from posthouse.directory.backend import Connection, Place, Server, current, switch
from posthouse.directory.connect import (
    Refused,
    Unreachable,
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
    "Place",
    "Refused",
    "Server",
    "Unreachable",
    "current",
    "migrate",
    "open_readonly",
    "open_writer",
    "reading",
    "switch",
    "transaction",
    "translated",
    "writing",
]
