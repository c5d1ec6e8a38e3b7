"""The nightly job that frees the room of deleted messages: an mdbox keeps them until it is told (doveadm-purge(1))."""

from __future__ import annotations

from posthouse import paths
from posthouse.resources import Blueprint
from posthouse.stack.daemon import Wanted
from posthouse.stack.timer import job

NAME = "posthouse-purge"
DAY = 86400  # seconds


def blueprint(wanted: Wanted) -> Blueprint:
    """What the job needs."""
    files, service = job(wanted, NAME, "purge", f"{paths.COMMAND} mailbox purge", DAY)
    return Blueprint(files=files, services=(service,))
