"""Accounts, aliases and domains are live at the next command, by the program and by plain SQL, whatever happens."""

from __future__ import annotations

import json
import smtplib
import threading
import time

import pytest
from tests.machine.server import DOMAIN, PASSWORD, STRANGER, USER, Server, awaited, letter

pytestmark = pytest.mark.machine
DATABASE = "/var/lib/posthouse/directory/mails.sqlite"


def accepts(server: Server, address: str) -> int:
    """The answer to RCPT for this address."""
    with server.smtp() as client:
        client.ehlo()
        client.mail(STRANGER)
        return client.rcpt(address)[0]


def sql(server: Server, statements: str) -> None:
    """Plain SQL, as the directory's own user."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=20);"
        " c.executescript(sys.stdin.read()); c.close()"
    )
    server.machine.run(["/usr/bin/python3", "-c", code, DATABASE], input=statements, user="posthouse")


def have_sqlite3(server: Server) -> None:
    """Give root the program `sqlite3`."""
    server.run(
        "command -v sqlite3 >/dev/null || apt-get install -y -qq --no-install-recommends sqlite3", timeout=300
    )


def test_a_new_account_works_at_once_and_a_removed_one_is_gone_at_once(server: Server) -> None:
    address = f"short-lived@{DOMAIN}"
    assert accepts(server, address) == 550
    server.posthouse("user", "add", address, "--password-stdin", input="pw one\n")
    assert accepts(server, address) == 250
    server.find(server.send(letter(to=address)), address, password="pw one")
    server.posthouse("user", "password", address, "--password-stdin", input="pw two\n")
    with pytest.raises(Exception, match=r"(?i)auth"), server.imap(address, "pw one"):
        pass
    with server.imap(address, "pw two"):
        pass
    server.posthouse("user", "remove", address, "--yes")
    assert accepts(server, address) == 550


def test_plain_sql_makes_a_whole_domain(server: Server) -> None:
    sql(
        server,
        """INSERT OR IGNORE INTO transport (domain, transport) VALUES ('plain.example', 'virtual:');
        INSERT OR IGNORE INTO users (userid, password, realname, uid, gid, home, mail)
            SELECT 'ann@plain.example', password, 'Ann', 5000, 5000, 'plain.example/mails/ann', NULL
            FROM users WHERE userid = 'user@snorl.ax';
        INSERT OR IGNORE INTO virtual (address, userid) VALUES ('info@plain.example', 'ann@plain.example');""",
    )
    sent = letter(to="info@plain.example")
    server.find(server.send(sent), "ann@plain.example")
    mail = letter("ann@plain.example", USER)
    server.send(mail, port=587, user="ann@plain.example")
    assert "d=plain.example" in server.find(str(mail["Subject"]))["DKIM-Signature"]
    server.arrives(letter(to="abuse@plain.example"))
    shown = json.loads(server.posthouse("dns", "json").stdout)
    assert "plain.example" in json.dumps(shown)


def test_aliases(server: Server) -> None:
    other = f"other@{DOMAIN}"
    server.posthouse("user", "add", other, "--password-stdin", input=PASSWORD + "\n", check=False)
    server.posthouse("alias", "add", f"both@{DOMAIN}", USER, other, check=False)
    server.posthouse("alias", "add", f"chain@{DOMAIN}", f"both@{DOMAIN}", check=False)
    subject = server.send(letter(to=f"chain@{DOMAIN}"))
    server.find(subject)
    server.find(subject, other)
    server.find(server.send(letter(to=f"user+tag@{DOMAIN}")))
    loop = server.posthouse("alias", "add", f"both@{DOMAIN}", f"chain@{DOMAIN}", check=False)
    assert loop.returncode != 0
    assert f"chain@{DOMAIN}" in loop.stderr
    sql(
        server, f"INSERT OR IGNORE INTO virtual (address, userid) VALUES ('both@{DOMAIN}', 'chain@{DOMAIN}');"
    )
    server.find(server.send(letter(to=f"both@{DOMAIN}")))  # a loop made behind our back stops nothing
    assert server.posthouse("alias", "list", "--json").returncode == 0


def test_an_inactive_account_and_a_dangling_alias_never_bounce(server: Server) -> None:
    address = f"asleep@{DOMAIN}"
    server.posthouse("user", "add", address, "--password-stdin", input=PASSWORD + "\n", check=False)
    sql(
        server,
        f"UPDATE users SET active = 0 WHERE userid = '{address}';"
        f"INSERT OR IGNORE INTO virtual (address, userid) VALUES ('nowhere@{DOMAIN}', 'gone@{DOMAIN}');",
    )
    assert accepts(server, address) == 550
    assert accepts(server, f"nowhere@{DOMAIN}") == 550
    with pytest.raises(Exception, match=r"(?i)auth"), server.imap(address):
        pass


def test_a_domain_with_accounts_stays(server: Server) -> None:
    server.posthouse("domain", "add", "kept.example", check=False)
    server.posthouse(
        "user", "add", "ann@kept.example", "--password-stdin", input=PASSWORD + "\n", check=False
    )
    result = server.posthouse("domain", "remove", "kept.example", "--yes", check=False)
    assert result.returncode != 0
    assert "ann@kept.example" in result.stderr
    assert accepts(server, "ann@kept.example") == 250
    server.posthouse("user", "remove", "ann@kept.example", "--yes")
    server.posthouse("domain", "remove", "kept.example", "--yes")
    assert accepts(server, "postmaster@kept.example") != 250


def test_lookups_never_fail_under_writes_kills_and_root_s_own_sqlite(server: Server) -> None:
    """Fifty writes a second, the agent killed, and root's own client last to leave: every RCPT and login answers."""
    have_sqlite3(server)
    writer = """
import sqlite3, sys, time
end = time.monotonic() + 12
while time.monotonic() < end:
    c = sqlite3.connect(sys.argv[1], timeout=20)
    c.execute("UPDATE users SET realname = ? WHERE userid = 'user@snorl.ax'", (str(time.monotonic()),))
    c.commit(); c.close()
    time.sleep(0.02)
"""
    running = server.machine.start(
        [
            "setpriv",
            "--reuid=posthouse",
            "--regid=posthouse",
            "--init-groups",
            "/usr/bin/python3",
            "-c",
            writer,
            DATABASE,
        ]
    )
    wrong: list[str] = []
    looked = 0
    killed = threading.Event()

    def kill_agent() -> None:
        agents = " ".join(map(str, server.pids("posthouse.agent")))
        assert agents
        server.run(f"kill -KILL {agents}")
        server.run(["sqlite3", DATABASE, "SELECT count(*) FROM users"], check=False)
        killed.set()

    killer = threading.Timer(4, kill_agent)
    killer.start()
    while running.poll() is None:
        code = accepts(server, USER)
        looked += 1
        if code != 250:
            wrong.append(f"RCPT {code}")
        try:
            with server.imap():
                pass
        except Exception as error:
            wrong.append(repr(error))
    killer.join()
    ended = running.wait(60)
    assert ended.returncode == 0, ended.stderr
    assert killed.is_set()
    assert looked > 5
    assert wrong == []
    awaited(lambda: server.pids("posthouse.agent"), "the agent's return")


def test_root_s_own_client_is_last_to_leave(server: Server) -> None:
    have_sqlite3(server)
    with server.stopped("posthouse-agent", "posthouse-agent.service"):
        server.run(["sqlite3", DATABASE, "UPDATE users SET realname = 'by root'"])
        changed = server.posthouse("user", "change", USER, "--name", "by hand", check=False)
        assert changed.returncode == 0, changed.stderr
    awaited(lambda: accepts(server, USER) == 250, "lookups after root's own client")
    with server.imap():
        pass


@pytest.mark.parametrize(
    "address",
    [
        "no-such-domain@faraway.example",
        "two@at@snorl.ax",
        "'; DROP TABLE users; --@snorl.ax",
        "a b@snorl.ax",
        "../../etc/passwd@snorl.ax",
        "@snorl.ax",
        "x@",
        "",
        "%s@snorl.ax",
        "${x}@snorl.ax",
        "ü@snorl.ax",
        "a" * 300 + "@snorl.ax",
    ],
)
def test_bad_addresses_get_a_clear_error(server: Server, address: str) -> None:
    result = server.posthouse("user", "add", address, "--password-stdin", input="pw\n", check=False)
    assert result.returncode in (1, 2)
    assert "Traceback" not in result.stderr
    assert result.stderr.strip()
    assert accepts(server, USER) == 250


@pytest.mark.parametrize("password", ["", "\n", "with\0nul\n", "x" * 4096 + "\n"])
def test_bad_passwords_get_a_clear_error(server: Server, password: str) -> None:
    result = server.posthouse("user", "password", USER, "--password-stdin", input=password, check=False)
    assert result.returncode == 2
    assert "password" in result.stderr.lower()
    assert "Traceback" not in result.stderr
    with server.imap():
        pass


def test_metacharacters_in_a_real_name(server: Server) -> None:
    name = """O'Brien "x" %s $HOME `id` \\ ; -- </b>"""
    server.posthouse("user", "change", USER, "--name", name)
    assert json.loads(server.posthouse("user", "show", USER, "--json").stdout)["realname"] == name
    with server.imap(), server.smtp(587, USER):
        pass


def test_a_reboot_keeps_everything(server: Server) -> None:
    server.machine.power_cut()
    server.machine.boot()
    if server.machine.spec.pid1 != "systemd":
        server.run(
            ["posthouse", "up", DOMAIN, "--yes"], timeout=300
        )  # a container's entry point at every start
    end = time.monotonic() + 60

    def answers() -> bool:
        try:
            return accepts(server, USER) == 250
        except (OSError, smtplib.SMTPException):
            assert time.monotonic() < end + 60
            return False

    awaited(answers, "SMTP after a reboot", 90)
    server.arrives(letter())
    assert server.posthouse("plan", "--exit-code").returncode == 0
