"""A mailbox is converted where the directory is PostgreSQL: killed, and left by the database in the middle of it."""

from __future__ import annotations

import random
import threading

import pytest
from tests.machine.server import Server, awaited
from tests.machine.test_formats import (
    OTHER,
    account,
    fill,
    format_of,
    kill_and_say_again,
    mail_coming,
    opens,
    seen,
    timed,
)
from tests.machine.test_postgresql import server, unit

__all__ = ["server"]  # the fixture

pytestmark = [pytest.mark.machine, pytest.mark.full]


def test_killed_at_random(server: Server) -> None:
    user = account(server, "killed")
    fill(server, user, 60)
    with mail_coming(server, user, 60, seed=21):
        kill_and_say_again(server, user, 6, seed=21)


def test_the_database_goes_meanwhile(server: Server) -> None:
    """What was closed when the database went is opened when it is back, though nobody says anything."""
    user = account(server, "left")
    fill(server, user, 60)
    before = seen(server, user)
    span = timed(server, user)
    chance = random.Random(22)
    for _ in range(5):
        to = OTHER[format_of(server, user)]
        stop = threading.Timer(
            chance.uniform(0.2, 0.95) * span, server.service, ("stop", "postgresql", unit(server))
        )
        stop.start()
        said = server.posthouse("mailbox", "convert", user, "--to", to, "--yes", check=False)
        stop.join()
        server.service("start", "postgresql", unit(server))
        assert "Traceback" not in said.stderr
        awaited(lambda: opens(server, user), "the mailbox to be open again", 90)
        before.held_by(seen(server, user))
        if said.returncode == 0:
            assert format_of(server, user) == to
        else:
            server.posthouse("mailbox", "convert", user, "--to", to, "--yes")
        before.held_by(seen(server, user))
        server.posthouse("mailbox", "forget", user, "--yes")
