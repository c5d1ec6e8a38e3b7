"""The directory in PostgreSQL on another machine, over verified TLS: moved there, gone, and come back elsewhere."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, awaited, letter
from tests.machine.test_postgresql import RETURN_SECONDS, answer, login

from posthouse.lab import Machine, Network

pytestmark = [pytest.mark.machine, pytest.mark.full]

ZONE = "database.example"
NAME = f"db.{ZONE}"
URL = f"postgresql://posthouse@{NAME}:5432/mails"
SECRET = "it's the %owner's: \\word"
GROUNDS = (GroundCase("bookworm", "systemd", None), GroundCase("trixie", "systemd", None))


class Authority:
    """A certificate authority that nobody but these tests trusts."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The tests' own authority")])
        self.certificate = self._signed(self.name, self.key.public_key(), ca=True)

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self) -> tuple[str, str]:
        """A certificate for NAME, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), key.public_key())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def database(net: Network, name: str, authority: Authority) -> Machine:
    """A machine with a PostgreSQL that takes TLS from everywhere, and has the owner's role and an empty database."""
    machine = net.machine(name, "trixie")
    machine.run("apt-get update -qq", timeout=300)
    machine.run(
        "apt-get install -y -qq --no-install-recommends postgresql",
        env={"DEBIAN_FRONTEND": "noninteractive"},
        timeout=600,
    )
    chain, key = authority.issue()
    etc = "/etc/postgresql/17/main"
    machine.write(f"{etc}/server.pem", chain)
    machine.write(f"{etc}/server.key", key)
    machine.run(f"chown postgres {etc}/server.*; chmod 600 {etc}/server.key")
    settings = (
        f"listen_addresses = '*'\nssl_cert_file = '{etc}/server.pem'\nssl_key_file = '{etc}/server.key'\n"
    )
    machine.write(f"{etc}/conf.d/tests.conf", settings)
    machine.run(
        f"echo 'hostssl all all all scram-sha-256' >> {etc}/pg_hba.conf; systemctl restart postgresql@17-main"
    )
    owner = f"CREATE ROLE posthouse LOGIN CREATEROLE PASSWORD $x${SECRET}$x$;"
    superuser(
        machine, f"{owner}\nCREATE DATABASE mails OWNER posthouse ENCODING 'UTF8' TEMPLATE template0;\n"
    )
    return machine


def superuser(machine: Machine, statements: str, name: str = "postgres") -> str:
    """SQL as the superuser."""
    return machine.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", name], input=statements, user="postgres"
    ).stdout


def lead(net: Network, machine: Machine) -> None:
    """Let NAME lead to a machine."""
    net.dns.set_zone(ZONE, [f"{NAME}. 2 IN A {machine.ipv4}", f"{NAME}. 2 IN AAAA {machine.ipv6}"])


@pytest.fixture(scope="module", params=[pytest.param(case, id=f"url-{case.name}") for case in GROUNDS])
def server(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A mail server on SQLite."""
    ground: GroundCase = request.param
    machine = make_machine(net, ground, f"url-{ground.name}", archive)
    publish(net, machine)
    where = unpack(machine, archive)
    up = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER]
    machine.run([*up, "--password-stdin", "--yes"], input=PASSWORD + "\n", timeout=1800)
    yield Server(machine, net)
    machine.destroy()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def databases(server: Server, net: Network, authority: Authority) -> Iterator[tuple[Machine, Machine]]:
    """Two database servers; NAME leads to the first."""
    made = tuple(database(net, f"db-{number}-{server.machine.spec.name}", authority) for number in (1, 2))
    lead(net, made[0])
    yield made[0], made[1]
    for machine in made:
        machine.destroy()


def move(server: Server, check: bool = True) -> tuple[int, str]:
    """Move the directory to the URL."""
    words = ["posthouse", "directory", "move", "postgresql", "--url", URL]
    done = server.run([*words, "--password-file", "/etc/posthouse/secret", "--yes"], check=check, timeout=600)
    return done.returncode, done.stderr


def test_moved_to_a_url_only_over_verified_tls(
    server: Server, databases: tuple[Machine, Machine], authority: Authority
) -> None:
    server.machine.write("/etc/posthouse/secret", SECRET + "\n")
    server.run("chmod 644 /etc/posthouse/secret")
    status, said = move(server, check=False)
    assert status == 2, said
    assert "others than root" in said
    server.run("chmod 600 /etc/posthouse/secret")
    status, said = move(server, check=False)
    assert status == 1, said
    assert "certificate" in said
    assert json.loads(server.posthouse("directory", "show", "--json").stdout)["backend"] == "sqlite"
    server.posthouse("user", "change", USER, "--name", "still here")
    server.machine.write("/usr/local/share/ca-certificates/tests.crt", authority.pem)
    server.run("update-ca-certificates")
    move(server)
    assert json.loads(server.posthouse("directory", "show", "--json").stdout)["where"].startswith(NAME)
    server.arrives(letter())
    assert "t|t" in superuser(
        databases[0], "SELECT bool_and(ssl), count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE usename IN ('postfix', 'dovecot', 'posthouse');"
    )  # fmt: skip
    files = "/etc/postfix /etc/dovecot /etc/posthouse/posthouse.toml /var/lib/posthouse/engine"
    assert server.run(f'grep -rlF "it\'s the" {files}', check=False).stdout == ""
    modes = server.run("stat -c '%U %a' /var/lib/posthouse/directory/*.pgpass").stdout.split("\n")
    assert sorted(modes[:-1]) == ["dovecot 600", "postfix 600", "posthouse 600"]


@pytest.mark.parametrize("old", ["refuses", "hangs"])
def test_the_server_moves_to_another_address(
    server: Server, net: Network, databases: tuple[Machine, Machine], old: str
) -> None:
    """Its name leads elsewhere, and the old address refuses or is silent."""
    here, there = databases if old == "refuses" else reversed(databases)
    with server.smtp() as client:
        client.ehlo()
        assert client.mail("a@elsewhere.example")[0] == 250
        assert client.rcpt(USER)[0] == 250
    dumped = here.run(["pg_dumpall", "--clean", "--if-exists"], user="postgres").stdout
    if old == "refuses":
        here.run("systemctl stop postgresql@17-main")
    else:
        here.run("ip link set eth0 down")
    awaited(lambda: answer(server, USER)[0] == 451, "451 without a database", 150)
    assert answer(server, f"nobody@{DOMAIN}")[0] == 451
    assert "emporar" in (said := login(server)) or "UNAVAILABLE" in said
    there.run("systemctl start postgresql@17-main")  # stopped where the other turn came first
    there.run(["psql", "-Xq", "postgres"], input=dumped, user="postgres", check=False)
    lead(net, there)
    for what, answered in {
        "RCPT": lambda: answer(server, USER)[0] == 250,
        "an unknown recipient": lambda: answer(server, f"nobody@{DOMAIN}")[0] == 550,
        "IMAP": lambda: login(server) == "ok",
        "submission": lambda: login(server, 587) == "ok",
    }.items():
        awaited(answered, f"{what} after the move", RETURN_SECONDS)
    mail = letter()
    server.send_again(mail)
    server.find(str(mail["Subject"]))
    server.posthouse("user", "change", USER, "--name", f"after it {old}")
    assert old in superuser(there, "SELECT realname FROM users;", "mails")
