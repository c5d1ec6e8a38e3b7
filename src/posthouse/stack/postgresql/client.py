"""How Postfix and Dovecot reach the directory in PostgreSQL: libpq's settings, with bounds on every wait.

On this host by the unix socket, as their Unix user (peer authentication); elsewhere over TLS, the certificate
checked for the host's name against Debian's authorities, with the password from a passfile of their own
(https://www.postgresql.org/docs/current/libpq-connect.html). The name of the server is looked up at each
connection, so that a server may move to another address.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from posthouse.directory.backend import Server, passfile

# An address that answers nobody any more is given up after some seconds, while connecting and afterwards.
_BOUNDS = {
    "connect_timeout": "3",
    "tcp_user_timeout": "6000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
}


def settings(server: Server, role: str) -> dict[str, str]:
    """libpq's settings for a role, which is also the Unix user that asks."""
    found = {**server.settings, "user": role, "application_name": f"posthouse-{role}"}
    found.pop("passfile", None)
    if not server.is_local:
        found |= {"passfile": str(passfile(role)), **_BOUNDS}
    return found


def url(server: Server, role: str) -> str:
    """The same as a URL without blanks and commas."""
    found = settings(server, role)
    user, database = found.pop("user"), found.pop("dbname")
    return f"postgresql://{quote(user)}@/{quote(database)}?{urlencode(found, safe='/')}"


def words(server: Server, role: str) -> str:
    """The same as KEY=VALUE words; no value has blanks or quotes."""
    return " ".join(f"{key}={value}" for key, value in settings(server, role).items())
