"""A resolver that never answers holds up a message for one round of waiting, and no mail is lost."""

from __future__ import annotations

import time

import pytest
from tests.machine.server import USER, Server, awaited, unique

from posthouse.lab.internet import Internet

pytestmark = [
    pytest.mark.machine,
    pytest.mark.grounds("13-systemd-policy", "12-systemd-clean"),
    pytest.mark.both_chains("13"),
]
# Seconds that the filter waits for an answer: Rspamd's two (local.d/options.inc: a time-out and one repetition); in the
# classic chain one after the other waits: for SPF, for DMARC's record and for block lists (docs/filters.md).
ROUND = {"rspamd": 2, "spamassassin": 3}


def test_names_that_nobody_answers_for_cost_one_round(server: Server) -> None:
    pids = " ".join(map(str, server.pids("unbound")))
    assert pids
    with Internet(server.net) as internet:
        known = internet.sender(f"known-{unique()}.example")
        awaited(lambda: server.sees(known.domain, "MX"), "the server to see the domain")
        first = known.letter(USER)
        assert known.send(server.address, USER, first)[0] == 250
        server.find(str(first["Subject"]))
        unknown = internet.sender(f"unknown-{unique()}.example")
        letters = [(sender, sender.letter(USER)) for sender in (known, unknown)]
        server.run(f"kill -STOP {pids}")
        try:
            for sender, letter in letters:
                begin = time.monotonic()
                code, said = sender.send(server.address, USER, letter)
                seconds = time.monotonic() - begin
                assert code == 250, said
                # Whatever it asks is asked at once: it does not wait for one of dozens of answers after the other.
                # Far from the one round that it takes, since the machine may be busy.
                assert seconds < 8 + 4 * ROUND[server.filter], seconds
        finally:
            server.run(f"kill -CONT {pids}")
    for _, letter in letters:
        subject = str(letter["Subject"])
        awaited(
            lambda subject=subject: server.count(subject) + server.count(subject, folder="Junk"), "the letter"
        )
