"""The daily job that takes DKIM keys on: those whose change is under way, and those that are old enough."""

from __future__ import annotations

from posthouse import paths
from posthouse.resources import Blueprint
from posthouse.stack.daemon import Wanted
from posthouse.stack.timer import job

NAME = "posthouse-dkim"
DAY = 86400  # seconds


def blueprint(wanted: Wanted) -> Blueprint:
    """What the job needs."""
    files, service = job(wanted, NAME, "rotation", f"{paths.COMMAND} dkim rotate --due", DAY)
    return Blueprint(files=files, services=(service,))
