"""The directory in PostgreSQL on the mail server itself: plain SQL, rights, an outage, and moving there and back."""

from __future__ import annotations

import json
import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, STRANGER, USER, Server, awaited, letter, unique

from posthouse.lab import Network, Result
from posthouse.lab.internet import Internet

pytestmark = pytest.mark.machine

SHORT = (GroundCase("bookworm", "systemd", None), GroundCase("trixie", "systemd", None))
OTHERS = (GroundCase("bookworm", "other", None), GroundCase("trixie", "other", None))
MAJOR = {"bookworm": 15, "trixie": 17}
# What "everything answers within 20 s" of the database's return allows.
RETURN_SECONDS = 20


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param(case, id=f"postgresql-{case.name}") for case in SHORT),
        *(pytest.param(case, id=f"postgresql-{case.name}", marks=pytest.mark.full) for case in OTHERS),
    ],
)
def server(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A mail server whose directory is PostgreSQL, made by one option of `up`."""
    ground: GroundCase = request.param
    machine = make_machine(net, ground, f"postgresql-{ground.name}", archive)
    publish(net, machine)
    where = unpack(machine, archive)
    up = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER]
    up += ["--directory", "postgresql", "--password-stdin", "--yes"]
    machine.run(up, input=PASSWORD + "\n", timeout=1800)
    yield Server(machine, net)
    machine.destroy()


def unit(server: Server) -> str:
    """The database's unit."""
    return f"postgresql@{MAJOR[server.machine.spec.suite]}-main.service"


def psql(server: Server, role: str, statements: str, check: bool = True) -> Result:
    """Plain SQL, as a person would type it: over localhost, with the role's password."""
    passwords = json.loads(server.posthouse("directory", "passwords", "--json").stdout)
    return server.machine.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "localhost", "-U", role, "mails"],
        input=statements,
        env={"PGPASSWORD": passwords[role]},
        check=check,
    )


def answer(server: Server, address: str) -> tuple[int, str]:
    """What RCPT says to this address; 0 where nobody says anything."""
    try:
        with server.smtp() as client:
            client.ehlo()
            client.mail(STRANGER)
            code, text = client.rcpt(address)
            return code, text.decode()
    except (OSError, smtplib.SMTPException) as error:
        return 0, str(error)


def login(server: Server, port: int = 993) -> str:
    """ "ok" where USER gets in, else what was said."""
    try:
        if port == 993:
            with server.imap():
                return "ok"
        with server.smtp(port, USER):
            return "ok"
    except Exception as error:
        return str(error)


def test_plain_sql_makes_a_domain_with_mailbox_and_alias(server: Server) -> None:
    """Row S3: as mailwriter, on nothing but the three tables and their first columns."""
    psql(
        server,
        "mailwriter",
        """INSERT INTO transport (domain, transport) VALUES ('plain.example', 'virtual:');
        INSERT INTO users (userid, password, realname, uid, gid, home, mail)
            SELECT 'ann@plain.example', password, 'Ann', 5000, 5000, 'plain.example/mails/ann', NULL
            FROM users WHERE userid = 'user@snorl.ax';
        INSERT INTO virtual (address, userid) VALUES ('info@plain.example', 'ann@plain.example');""",
    )
    server.find(server.send(letter(to="info@plain.example")), "ann@plain.example")
    for name in ("postmaster", "abuse"):
        server.find(server.send(letter(to=f"{name}@plain.example")))
    with server.imap("ann@plain.example") as client:
        assert "Junk" in [name for _, _, name in client.list_folders()]
    mail = letter("ann@plain.example", USER)
    server.send_again(mail, port=587, user="ann@plain.example")
    assert "d=plain.example" in server.find(str(mail["Subject"]))["DKIM-Signature"]
    assert answer(server, "nobody@plain.example")[0] == 550


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO transport (domain, transport) VALUES ('x.example', 'pipe:/bin/sh')",
        "INSERT INTO users (userid, uid, gid, home) VALUES ('x@snorl.ax', 0, 0, '')",
        "INSERT INTO users (userid, home) VALUES ('x@snorl.ax', 'snorl.ax/../../../etc')",
        "INSERT INTO users (userid) VALUES ('Upper@snorl.ax')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', '|/bin/sh')",
        "INSERT INTO virtual (address, userid) VALUES ('x@snorl.ax', 'root')",
        "CREATE TABLE mine (x int)",
        "CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        "COPY users TO PROGRAM 'id'",
        "DROP TABLE users",
    ],
)
def test_mailwriter_can_store_nothing_dangerous(server: Server, statement: str) -> None:
    refused = psql(server, "mailwriter", statement + ";", check=False)
    assert refused.returncode != 0
    assert "ERROR" in refused.stderr


def test_an_address_beyond_ascii_is_unknown_at_once(server: Server) -> None:
    """Postfix 3.7 speaks LATIN1 with the database, and 3.10 UTF-8: neither may fail, or mail would wait for ever."""
    for address in (f"jörg@{DOMAIN}", f"日本語@{DOMAIN}"):
        with server.smtp() as client:
            client.ehlo()
            client.mail("jörg@bücher.example", ["SMTPUTF8"])
            code, text = client.rcpt(address)
            assert (code, text[:5]) == (550, b"5.1.1"), text
            assert client.rcpt(USER)[0] == 250


def test_roles_have_their_rights_and_no_more(server: Server) -> None:
    assert USER in psql(server, "mailreader", "SELECT userid FROM users;").stdout
    for statement in (
        "DELETE FROM virtual",
        "UPDATE users SET realname = 'x'",
        "INSERT INTO transport VALUES ('y.ax')",
    ):
        refused = psql(server, "mailreader", statement + ";", check=False)
        assert "permission denied" in refused.stderr, statement

    def as_unix(user: str, query: str) -> Result:
        words = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={user}",
            "--init-groups",
            "psql",
            "-XAtc",
            query,
            "mails",
        ]
        return server.run(words, check=False)

    assert USER in as_unix("postfix", "SELECT userid FROM users").stdout
    for user, query in (
        ("postfix", "SELECT password FROM users"),
        ("postfix", "SELECT users FROM users"),
        ("postfix", "DELETE FROM users"),
        ("dovecot", "UPDATE users SET password = NULL"),
    ):
        assert "permission denied" in as_unix(user, query).stderr, (user, query)
    assert as_unix("nobody", "SELECT 1").returncode != 0 or "nogroup" in server.run("id nobody").stdout
    assert server.run("stat -c '%U %a' /var/lib/posthouse/directory-passwords").stdout.split() == [
        "root",
        "600",
    ]


def test_the_database_gone_and_back(server: Server) -> None:
    """Everybody is told to try later, nobody is told that he does not exist; and nobody has to lend a hand."""
    queued = letter(USER, USER)
    with server.stopped("postgresql", unit(server)):
        awaited(lambda: answer(server, USER)[0] == 451, "451 for a mailbox")
        for address in (USER, f"nobody@{DOMAIN}", f"postmaster@{DOMAIN}"):
            assert answer(server, address)[0] == 451, address
        said = login(server)
        assert "UNAVAILABLE" in said or "emporar" in said, said
        said = login(server, 587)
        assert "454" in said, said
        # mail of this machine is taken, and waits
        server.run(["sendmail", "-f", USER, USER], input=queued.as_bytes())
        status = server.posthouse("status", "--json", check=False)
        items = {item["name"]: item for item in json.loads(status.stdout)["items"]}
        assert items["directory"]["state"] == "failure"
        assert "try later" in items["directory"]["detail"]
        assert server.posthouse("directory", "show", "--json", check=False).returncode == 1
    asked = {
        "RCPT": lambda: answer(server, USER)[0] == 250,
        "an unknown recipient": lambda: answer(server, f"nobody@{DOMAIN}")[0] == 550,
        "IMAP": lambda: login(server) == "ok",
        "submission": lambda: login(server, 587) == "ok",
    }
    for what, answered in asked.items():
        awaited(answered, f"{what} after the return", RETURN_SECONDS)
    server.arrives(letter())
    mail = letter(USER, USER)
    server.send_again(mail, port=587, user=USER)
    server.find(str(mail["Subject"]))
    # pickup looks once a minute for what it could not hand on
    awaited(lambda: server.count(str(queued["Subject"])), "mail of this machine", 100)
    assert not [line for line in server.queue() if "MAILER-DAEMON" in line]


@pytest.mark.full
def test_a_reboot_finds_everything_in_order(server: Server) -> None:
    server.machine.power_cut()
    server.machine.boot()
    if server.machine.spec.pid1 != "systemd":
        server.run(["posthouse", "up", DOMAIN, "--yes"], timeout=300)
    awaited(lambda: answer(server, USER)[0] == 250, "SMTP after a reboot", 90)
    server.arrives(letter())
    assert server.posthouse("plan", "--exit-code").returncode == 0


@pytest.mark.full
def test_moved_there_and_back_while_mail_flows(server: Server) -> None:
    """No message is lost, and no answer is worse than "try later"."""
    text = "# mine, and it stays\n"
    server.run("cat >> /etc/posthouse/posthouse.toml", input=text)
    stop, wrong, taken = threading.Event(), [], []  # type: ignore[var-annotated]

    def sends() -> None:
        while not stop.is_set():
            mail = letter()
            try:
                taken.append(server.send(mail))
            except (smtplib.SMTPException, OSError) as error:
                if "(5" in str(error):
                    wrong.append(str(error))
            code, said = answer(server, f"nobody@{DOMAIN}")
            if code == 250 or (code // 100 == 5 and not said.startswith("5.1.1")):
                wrong.append(f"{code} {said}")

    def logs_in() -> None:
        while not stop.is_set():
            said = login(server)
            if "AUTHENTICATIONFAILED" in said:
                wrong.append(said)

    before = json.loads(server.posthouse("directory", "show", "--json").stdout)
    senders = [threading.Thread(target=sends), threading.Thread(target=logs_in)]
    for thread in senders:
        thread.start()
    try:
        for kind in ("sqlite", "postgresql"):
            server.run(["posthouse", "directory", "move", kind, "--yes"], timeout=600)
            now = json.loads(server.posthouse("directory", "show", "--json").stdout)
            assert now["backend"] == kind
            for count in ("domains", "accounts", "aliases", "grants"):
                assert now[count] == before[count], count
            server.posthouse("user", "change", USER, "--name", f"in {kind}")
    finally:
        stop.set()
        for thread in senders:
            thread.join()
    assert wrong == []
    assert text in server.run(["cat", "/etc/posthouse/posthouse.toml"]).stdout
    assert 'backend = "postgresql"' in server.run(["cat", "/etc/posthouse/posthouse.toml"]).stdout

    def flushed() -> bool:
        # What came while the daemons changed over may wait, and Postfix itself would wait for minutes.
        server.run("postqueue -f")
        return not server.queue()

    awaited(flushed, "an empty queue", 120)
    for subject in taken:
        server.find(subject)
    assert server.posthouse("plan", "--exit-code").returncode == 0


def test_forwarding_asks_it_who_is_ours(server: Server) -> None:
    """A sender elsewhere is written anew, one of ours is not."""
    with Internet(server.net) as internet:
        far = internet.provider(f"far-{unique()}.example")
        ann = internet.sender(f"ann-{unique()}.example")
        for domain in (far.domain, ann.domain):
            awaited(lambda name=domain: server.sees(name, "MX"), f"the server to see {domain}")
        server.posthouse("alias", "add", f"out@{DOMAIN}", f"kim@{far.domain}")
        hers = ann.letter(f"out@{DOMAIN}")
        code, said = ann.send(server.address, f"out@{DOMAIN}", hers)
        assert code == 250, said
        assert far.received(str(hers["Subject"])).envelope.sender.startswith("SRS0=")
        mine = letter(USER, f"kim@{far.domain}")
        server.send(mine, port=587, user=USER)
        assert far.received(str(mine["Subject"])).envelope.sender == USER
