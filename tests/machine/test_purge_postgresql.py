"""A purge with the accounts in PostgreSQL: they stay with it, the next `up` finds them; told twice, both go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, letter
from tests.machine.test_purge import difference, picture

from posthouse.lab import Network

pytestmark = [pytest.mark.machine, pytest.mark.full, pytest.mark.timeout(3600)]
CASES = [GroundCase("bookworm", "systemd", None), GroundCase("trixie", "other", None)]
KIM = f"kim@{DOMAIN}"


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"purge-pg-{case.name}")
def bare(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A bare machine; the tests of this file go in order."""
    case: GroundCase = request.param
    machine = make_machine(net, case, f"purge-pg-{case.name}", archive, bare=True)
    publish(net, machine)
    machine.run("apt-get update", timeout=300)
    server = Server(machine, net)
    server.before = picture(machine)  # type: ignore[attr-defined]
    yield server
    machine.destroy()


def up(server: Server, archive: Path, *more: str) -> None:
    where = unpack(server.machine, archive)
    command = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--yes", *more]
    server.run(command, input=PASSWORD + "\n", timeout=1800)
    server.run(["rm", "-rf", where])


def clusters(server: Server) -> str:
    return server.run("pg_lsclusters --no-header", check=False).stdout


def test_accounts_stay_with_their_database(bare: Server, archive: Path) -> None:
    up(bare, archive, "--account", USER, "--password-stdin", "--directory", "postgresql")
    bare.posthouse("user", "add", KIM, "--password-stdin", input=PASSWORD + "\n")
    bare.arrives(letter(to=KIM, subject="kept"), KIM)
    secrets = bare.posthouse("directory", "passwords", "--json").stdout
    bare.posthouse("down", "--purge", "--yes")
    assert bare.run("command -v posthouse", check=False).returncode != 0
    assert "main" in clusters(bare)
    left = [line for line in difference(bare.before, picture(bare.machine)) if "postg" not in line]  # type: ignore[attr-defined]
    assert not [line for line in left if line.startswith(("user ", "unit posthouse", "manual "))], left
    # the next one needs not be told where they are
    up(bare, archive, "--account", USER)
    assert json.loads(bare.posthouse("directory", "show", "--json").stdout)["backend"] == "postgresql"
    bare.find("kept", KIM)
    bare.arrives(letter(to=KIM), KIM)
    assert bare.posthouse("directory", "passwords", "--json").stdout == secrets


def test_told_twice_it_goes_with_all_that_came(bare: Server) -> None:
    bare.posthouse("down", "--purge", "--with-mail", "--lose-mail-of", DOMAIN, "--yes")
    assert clusters(bare) == ""
    assert bare.run(["getent", "passwd", "postgres"], check=False).returncode == 2
    assert difference(bare.before, picture(bare.machine)) == []  # type: ignore[attr-defined]
