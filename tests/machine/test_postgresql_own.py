"""The operator's own PostgreSQL was there before: nothing of his is touched, and what cannot work is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, letter
from tests.machine.test_postgresql import MAJOR

from posthouse.lab import Network, Result

pytestmark = [pytest.mark.machine, pytest.mark.full]

GROUNDS = (GroundCase("bookworm", "systemd", None), GroundCase("trixie", "systemd", None))
SHOP = """CREATE ROLE shop LOGIN PASSWORD 'mine';
CREATE DATABASE shop OWNER shop;
CREATE ROLE dovecot NOLOGIN;
CREATE DATABASE mails OWNER shop;
"""
TABLES = "CREATE TABLE users (name text, letter text); INSERT INTO users VALUES ('Ann', 'mine');"
HBA = """local all postgres peer
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""
OURS = "local mails posthouse,postfix,dovecot peer\n"


@pytest.fixture(scope="module", params=[pytest.param(case, id=f"own-{case.name}") for case in GROUNDS])
def server(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A machine with an operator's PostgreSQL, at a port of its own, and his rules of who comes in how."""
    case: GroundCase = request.param
    machine = make_machine(net, case, f"own-{case.name}", archive)
    publish(net, machine)
    machine.run("apt-get -qq update", timeout=300)
    install = "apt-get -y -qq --no-install-recommends install postgresql"
    machine.run(install, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=600)
    unpack(machine, archive, "/root/posthouse")
    made = Server(machine, net)
    sql(made, SHOP)
    sql(made, TABLES, "mails")
    sql(made, "CREATE TABLE wares (name text); INSERT INTO wares VALUES ('hat');", "shop")
    machine.write(f"{etc(made)}/conf.d/mine.conf", "shared_buffers = 48MB\nport = 5433\n")
    machine.write(f"{etc(made)}/pg_hba.conf", HBA)
    machine.run(["systemctl", "restart", unit(made)])
    yield made
    machine.destroy()


def etc(server: Server) -> str:
    return f"/etc/postgresql/{MAJOR[server.machine.spec.suite]}/main"


def unit(server: Server) -> str:
    return f"postgresql@{MAJOR[server.machine.spec.suite]}-main.service"


def sql(server: Server, statements: str, name: str = "postgres") -> str:
    """SQL as the superuser, at whatever port."""
    command = f"psql -XAtq -v ON_ERROR_STOP=1 --cluster {MAJOR[server.machine.spec.suite]}/main {name}"
    return server.run(command, input=statements, user="postgres").stdout.strip()


def up(server: Server, check: bool = True) -> Result:
    words = ["/root/posthouse/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER]
    words += ["--directory", "postgresql", "--password-stdin", "--yes"]
    return server.run(words, check=check, input=PASSWORD + "\n", timeout=1800)


def picture(server: Server) -> str:
    """What is the operator's: his settings, his roles, his databases, who may do what in them, and his rows."""
    files = server.run(f"cd {etc(server)} && ls -lR --time-style=+ . && sha256sum *.conf conf.d/*")
    standing = server.run(f"systemctl is-active {unit(server)}; systemctl is-enabled postgresql", check=False)
    return "\n".join(
        [
            files.stdout,
            standing.stdout,
            sql(
                server,
                "SELECT rolname, rolpassword, rolsuper FROM pg_authid WHERE rolname IN ('shop', 'postgres') ORDER BY 1;"
                "SELECT datname, pg_get_userbyid(datdba), datacl FROM pg_database WHERE datname = 'shop';",
            ),
            sql(server, "TABLE wares;", "shop"),
        ]
    )


def test_what_cannot_work_is_said_and_nothing_begins(server: Server) -> None:
    before = picture(server)
    refused = up(server, check=False)
    assert refused.returncode == 2, refused.stderr
    assert "expected port 5432, found 5433" in refused.stderr
    assert f"{etc(server)}/postgresql.conf" in refused.stderr
    assert not (server.machine.root / "etc/posthouse/posthouse.toml").exists()
    assert picture(server) == before


def test_each_further_thing_in_the_way_is_said_in_turn(server: Server) -> None:
    server.machine.write(f"{etc(server)}/conf.d/mine.conf", "shared_buffers = 48MB\n")
    server.run(["systemctl", "restart", unit(server)])
    before = picture(server)
    refused = up(server, check=False)
    assert refused.returncode != 0
    assert "found one of shop with users" in refused.stderr
    assert "ALTER DATABASE mails RENAME" in refused.stderr
    # The package's trigger would have started one with Debian's own configuration.
    assert server.pids("dovecot") == []
    assert server.pids("master") == []
    sql(server, "ALTER DATABASE mails RENAME TO letters;")

    refused = up(server, check=False)
    assert "does not let the role posthouse in" in refused.stderr
    assert OURS.strip() in refused.stderr
    assert f"{etc(server)}/pg_hba.conf" in refused.stderr
    assert picture(server) == before
    server.machine.write(f"{etc(server)}/pg_hba.conf", OURS + HBA)
    server.run(["systemctl", "reload", unit(server)])

    refused = up(server, check=False)
    assert "ALTER ROLE dovecot LOGIN" in refused.stderr
    sql(server, "ALTER ROLE dovecot LOGIN;")


def test_then_it_works_beside_what_is_his(server: Server) -> None:
    before = picture(server)
    up(server)
    server.arrives(letter())
    server.posthouse("apply", "--yes")
    assert server.posthouse("plan", "--exit-code").returncode == 0
    assert picture(server) == before
    assert sql(server, "TABLE users;", "letters") == "Ann|mine"
    assert sql(server, "SHOW shared_buffers;") == "48MB"
    login = "psql -XAtqc 'SELECT current_user' -h 127.0.0.1 shop -U shop"
    assert server.run(login, env={"PGPASSWORD": "mine"}).stdout == "shop\n"
    started = server.run(["systemctl", "show", "-p", "ActiveEnterTimestamp", unit(server)]).stdout
    server.run(["posthouse", "directory", "move", "sqlite", "--yes"], timeout=600)
    server.arrives(letter())
    # His database ran on all the time.
    assert server.run(["systemctl", "show", "-p", "ActiveEnterTimestamp", unit(server)]).stdout == started
    assert picture(server) == before
