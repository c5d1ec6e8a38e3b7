"""A stolen password sends to hundreds of strangers: it is held, the postmaster is told once, and nothing is lost."""

from __future__ import annotations

import json

import pytest
from tests.machine.server import DOMAIN, PASSWORD, USER, Server, awaited, letter

pytestmark = [pytest.mark.machine, pytest.mark.grounds("13-systemd-policy")]

BUSY = f"busy@{DOMAIN}"
MANY = 201  # recipients: one more than an account may write to for the first time in a day


def queue(server: Server) -> list[dict[str, object]]:
    return list(json.loads(server.posthouse("queue", "list", "--account", BUSY, "--json").stdout))


def burst(server: Server, tag: str) -> str:
    """A message to many; each recipient is the postmaster's mailbox in the end."""
    name = USER.partition("@")[0]
    return server.send(
        letter(BUSY, to=USER), to=[f"{name}+{tag}{n}@{DOMAIN}" for n in range(MANY)], port=587, user=BUSY
    )


def told(server: Server) -> int:
    return server.count(f"{BUSY} sends too much")


def test_a_burst_is_held_and_told_once(server: Server) -> None:
    server.posthouse("user", "add", BUSY, "--password-stdin", input=PASSWORD + "\n")
    server.find(server.send(letter(BUSY, to=USER), port=587, user=BUSY))
    first, second = burst(server, "a"), burst(server, "b")
    held = queue(server)
    assert [(entry["queue"], entry["account"]) for entry in held] == [("hold", BUSY)] * 2
    assert {len(entry["recipients"]) for entry in held} == {MANY}  # type: ignore[arg-type]
    notice = server.find(f"{BUSY} sends too much").get_content()  # type: ignore[attr-defined]
    assert first in notice
    assert "new recipients in a day" in notice
    assert server.net.v4(1) in notice or "198.18." in notice

    # An honest letter goes on meanwhile.
    server.find(server.send(letter(BUSY, to=USER), port=587, user=BUSY))
    shown = {
        str(entry["queue_id"]): server.posthouse("queue", "show", str(entry["queue_id"])).stdout
        for entry in held
    }
    (bad,) = (queue_id for queue_id, text in shown.items() if second in text)
    said = json.loads(server.posthouse("queue", "delete", bad, "--yes", "--json").stdout)
    assert said == {"messages": 1}
    said = json.loads(server.posthouse("queue", "release", "--account", BUSY, "--json").stdout)
    assert said == {"messages": 1}
    server.find(first)
    awaited(lambda: all(entry["queue"] != "hold" for entry in queue(server)), "what was released")
    assert server.count(second) == 0
    # Dovecot takes so many copies for one mailbox by and by; the test need not wait for all of them.
    server.posthouse("queue", "delete", "--account", BUSY, "--yes")
    assert [entry["queue"] for entry in queue(server) if entry["queue"] == "hold"] == []

    # What was released did not count, and the counts outlast the agent.
    server.service("restart", "posthouse-agent", "posthouse-agent")
    server.find(server.send_again(letter(BUSY, to=USER), port=587, user=BUSY))
    assert told(server) == 1


def test_what_is_no_queue_id_is_refused(server: Server) -> None:
    for words in (["delete", "ALL", "--yes"], ["release", "../../x"], ["show", "-v"], ["delete", "--yes"]):
        done = server.posthouse("queue", *words, check=False)
        assert done.returncode == 2, words
        assert "Traceback" not in done.stderr
    assert server.posthouse("queue", "show", "ABCDEF0123", check=False).returncode == 2
