"""Tell Postfix and Dovecot that a lost PostgreSQL is back, so that they ask it at once.

By themselves both wait: Postfix 3.7 a fixed minute in each proxymap(8) (RETRY_CONN_INTV in dict_pgsql.c), and an
smtpd(8) of any version keeps what it could not look up (smtpd_resolve.c); Dovecot's `auth` up to half an hour
(SQL_CONNECT_MAX_DELAY in sql-api-private.h), but for a server on this host, whose missing socket it looks for at
every question. A process of Postfix that has a map open whose file has changed ends
when its next client comes (pre_accept in each); Dovecot has a service of ours that ends `auth`
(`stack/dovecot/posthouse-back.sh`). Neither needs a right beyond one's own.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from posthouse import paths

log = logging.getLogger("posthouse.agent")
_SECONDS = 2.0


def announce(watched: Path | None = None, dovecot: Path | None = None) -> None:
    """Tell both; one that is not there has nothing to be told, and never an error."""
    touch(watched)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_SECONDS)
        client.connect(str(dovecot or paths.DOVECOT_BACK))
    log.info("the directory is back: Postfix and Dovecot were told")


def touch(path: Path | None = None) -> None:
    """Give the watched file another time of change, in whole seconds, than it has: Postfix compares those."""
    path = path or paths.DIRECTORY_BACK.with_suffix(".db")
    with suppress(OSError):
        last = int(path.stat().st_mtime)
        now = max(int(time.time()), last + 1)
        os.utime(path, (now, now))
