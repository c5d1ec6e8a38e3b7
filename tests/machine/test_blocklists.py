"""Block lists count for something, and none of them, in whatever state, refuses mail or files an honest letter away."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import pytest
from tests.machine.server import USER, Server, awaited, unique
from tests.machine.test_receiving import known, server_has

from posthouse.lab import netns
from posthouse.lab.internet import BlockList, Habit, Internet

pytestmark = [pytest.mark.machine, pytest.mark.full, pytest.mark.both_chains]

LISTS = ("zen.spamhaus.org", "dbl.spamhaus.org", "multi.uribl.com")


@pytest.fixture(scope="module")
def lists(server: Server, internet: Internet) -> Iterator[dict[str, BlockList]]:
    """Lists that answer as they should, at first and in the end."""
    found = {zone: internet.blocklist(zone) for zone in LISTS}
    yield found
    for one in found.values():
        one.turn(Habit.ANSWERS)


def answer(server: Server, name: str) -> list[str] | None:
    """What the server's resolver says of a name now: addresses, or None where it gets no answer."""
    with netns.entered(server.machine.namespace):
        try:
            found = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", timeout=5)
        except dns.exception.Timeout:
            return None
    if found.rcode() not in (0, 3):
        return None
    return [r.to_text() for part in found.answer if part.rdtype == dns.rdatatype.A for r in part]


def turned(server: Server, found: BlockList, habit: Habit, *expected: list[str] | None) -> None:
    """Let a list take a habit, and await that the server's resolver sees it."""
    found.turn(habit)
    # It makes answers of its own out of what the list said of everything before (RFC 8198), for other names too.
    server.service("restart", "unbound", "unbound.service")
    if habit is Habit.REFUSES:  # what it says is kept from everybody here; it says a reason, too
        awaited(lambda: server.sees(f"{uuid.uuid4().hex}.{found.zone}"), f"{found.zone}: {habit}", 90)
    awaited(
        lambda: answer(server, f"{uuid.uuid4().hex}.{found.zone}") in expected, f"{found.zone}: {habit}", 90
    )


def test_what_every_list_names_goes_to_junk(
    server: Server, internet: Internet, lists: dict[str, BlockList]
) -> None:
    spammer = known(server, internet.sender(f"spammer-{unique()}.org", policy=None))
    for zone, found in lists.items():
        found.add(*((spammer.host.ipv4, spammer.host.ipv6) if zone.startswith("zen.") else (spammer.domain,)))
    backwards = ".".join(reversed(spammer.host.ipv4.split(".")))
    for name in (f"{backwards}.zen.spamhaus.org", f"{spammer.domain}.multi.uribl.com"):
        awaited(lambda name=name: answer(server, name), f"the list to have {name}", 90)  # type: ignore[misc]
    letter = spammer.letter(USER)
    letter.set_content(f"Buy at http://{spammer.domain}/ now!\n")
    code, said = spammer.send(server.address, USER, letter)
    assert code == 250, said  # a list alone refuses nothing
    assert not server_has(server, letter)


def test_lists_that_lie_refuse_nothing(
    server: Server, internet: Internet, lists: dict[str, BlockList]
) -> None:
    for found in lists.values():
        turned(server, found, Habit.LIES, ["127.0.0.2"])
    honest = known(server, internet.sender(f"honest-{unique()}.org"))
    letter = honest.letter(USER)
    code, said = honest.send(server.address, USER, letter)
    assert code == 250, said
    server_has(server, letter)


@pytest.mark.parametrize(
    ("habit", "whose", "expected"),
    [
        pytest.param(Habit.REFUSES, "", ([], None), id="refuses"),
        pytest.param(Habit.BLOCKED, ".uribl.com", (["127.0.0.1"],), id="blocked"),
        pytest.param(Habit.DEAD, "", (None,), id="dead"),
    ],
)
def test_lists_that_do_not_answer_do_no_harm(
    server: Server,
    internet: Internet,
    lists: dict[str, BlockList],
    habit: Habit,
    whose: str,
    expected: tuple[list[str] | None, ...],
) -> None:
    """Each says it in its own way: 127.255.255.x, as Spamhaus does, or 127.0.0.1, as URIBL does."""
    for zone, found in lists.items():
        if zone.endswith(whose):
            turned(server, found, habit, *expected)
        else:
            found.turn(Habit.ANSWERS)
    honest = known(server, internet.sender(f"honest-{unique()}.org"))
    letter = honest.letter(USER)
    letter.set_content(f"My page is http://{honest.domain}/ now.\n")
    code, said = honest.send(server.address, USER, letter)
    assert code == 250, said
    assert server_has(server, letter)
