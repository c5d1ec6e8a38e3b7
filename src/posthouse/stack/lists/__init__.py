"""The daily job that asks block lists for their test entries, and switches off those that answer wrongly."""

from __future__ import annotations

from posthouse import paths
from posthouse.resources import Blueprint
from posthouse.stack.daemon import Wanted
from posthouse.stack.timer import job

NAME = "posthouse-lists"
DAY = 86400  # seconds


def blueprint(wanted: Wanted) -> Blueprint:
    """What the job needs."""
    files, service = job(wanted, NAME, "lists", f"{paths.COMMAND} spam lists --check", DAY)
    return Blueprint(files=files, services=(service,))
