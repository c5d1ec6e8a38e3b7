"""A machine that may not change its packet filter, as many containers: nobody is banned, that is said, and the rest
works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import _snapshot, make_server
from tests.machine.server import HOST, PASSWORD, USER, Server, awaited, letter
from tests.machine.test_bans import ATTACKERS, TRIES, attack, elsewhere, imap, reaches  # noqa: F401 - a fixture

from posthouse.lab import Network

pytestmark = [pytest.mark.machine, pytest.mark.full]
WHY = "may not change its packet filter"


@pytest.fixture(scope="module", params=["bookworm-other", "trixie-systemd"])
def server(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    suite, pid1 = request.param.split("-")
    base = _snapshot(net, suite, archive)
    machine = net.machine(f"bare-handed-{suite}", suite, pid1, base, HOST, packet_filter=False)
    assert machine.run(["nft", "list", "tables"], check=False).returncode != 0
    yield make_server(machine, net, archive)
    machine.destroy()


def test_nobody_is_banned_and_the_rest_works(server: Server) -> None:
    said = server.up_output  # type: ignore[attr-defined]
    assert WHY in said.stdout + said.stderr
    server.arrives(letter())
    server.find(server.send(letter(USER, USER), port=587, user=USER))
    with server.imap(USER, PASSWORD) as client:
        client.noop()

    attacker = ATTACKERS["imap"]
    attack(server, imap, [attacker] * TRIES)

    def listed() -> dict[str, object]:
        return dict(json.loads(server.posthouse("ban", "list", "--json").stdout))

    awaited(lambda: attacker in str(listed()["bans"]), "the watch to see him all the same", 90)
    assert listed()["in_force"] is False
    assert WHY in str(listed()["problem"])
    assert reaches(server, attacker)
    done = server.posthouse("ban", "add", "203.0.113.9", check=False)
    assert done.returncode == 1
    assert WHY in done.stderr
    items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
    (bans,) = (item for item in items if item["name"] == "bans")
    assert bans["state"] == "warning"
    assert WHY in bans["detail"]
    assert server.posthouse("plan", "--exit-code").returncode == 0
    server.posthouse("probe")
