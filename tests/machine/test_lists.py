"""Block lists that answer wrongly are found by their test entries, kept from the filter, and asked again when right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.machine.server import Server, awaited
from tests.machine.test_blocklists import answer

from posthouse.lab.internet import BlockList, Habit, Internet
from posthouse.spam.lists import ASKED

pytestmark = [pytest.mark.machine, pytest.mark.both_chains("full"), pytest.mark.grounds("12-systemd-clean")]

WORDS = {
    Habit.REFUSES: "refuses to answer us: see our terms of use",
    Habit.BLOCKED: "too many questions",
    Habit.LIES: "lists everything",
    Habit.DEAD: "does not answer",
}
BAD = {
    "zen.spamhaus.org": Habit.REFUSES,
    "multi.uribl.com": Habit.BLOCKED,
    "multi.surbl.org": Habit.LIES,
    "dbl.spamhaus.org": Habit.DEAD,
}


@pytest.fixture
def lists(server: Server) -> Iterator[dict[str, BlockList]]:
    with Internet(server.net) as internet:
        found = {one.zone: internet.blocklist(one.zone) for one in ASKED[server.filter]}  # type: ignore[index]
        yield found
        for zone in found:
            server.net.dns.remove_zone(zone)


def checked(server: Server) -> dict[str, Any]:
    """Ask the lists with a resolver that remembers nothing; returns why each is off."""
    server.service("restart", "unbound", "unbound.service")
    awaited(lambda: answer(server, "localhost.") is not None, "unbound to answer")
    done = server.posthouse("spam", "lists", "--check", "--json")
    return {zone: one["why"] for zone, one in json.loads(done.stdout)["lists"].items()}


def filter_sees(server: Server) -> set[str]:
    """The lists whose test entry who asks as the filter does is told."""
    return {zone for zone in BAD if answer(server, f"{entry(server, zone)}.{zone}")}


def entry(server: Server, zone: str) -> str:
    """The name of a list's test entry."""
    return next(one.listed for one in ASKED[server.filter] if one.zone == zone)  # type: ignore[index]


def said(server: Server) -> dict[str, str]:
    """What `status` says of lists that are off."""
    items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    mine = [item for item in items if item["name"] == "block lists" and item["state"] == "warning"]
    return {item["detail"].split()[0]: item["detail"] for item in mine}


def test_lists_that_answer_wrongly_are_off_until_they_are_right(
    server: Server, lists: dict[str, BlockList]
) -> None:
    assert set(checked(server).values()) == {""}
    assert filter_sees(server) == set(BAD)
    assert said(server) == {}

    for zone, habit in BAD.items():
        lists[zone].turn(habit)
    why = checked(server)
    for zone in lists:
        assert (WORDS[BAD[zone]] in why[zone]) if zone in BAD else not why[zone], (zone, why)
    assert said(server).keys() == set(BAD)
    assert "too many questions" in said(server)["multi.uribl.com"]
    letter = server.find("block lists switched off").get_content()
    assert all(f"{zone} " in letter for zone in BAD)
    assert answer(server, "2.0.0.127.multi.surbl.org") == []  # which lists everything
    server.service("restart", "unbound", "unbound.service")
    awaited(lambda: answer(server, "2.0.0.127.multi.surbl.org") == [], "the list to be off after a restart")

    for zone in BAD:
        lists[zone].turn(Habit.ANSWERS)
    assert set(checked(server).values()) == {""}
    assert filter_sees(server) == set(BAD)
    assert said(server) == {}
    assert (
        "zen.spamhaus.org answers rightly again" in server.find("block lists are asked again").get_content()
    )
