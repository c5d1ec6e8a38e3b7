"""The commands domain, user, alias, password and dns, from the command line to the database."""

from __future__ import annotations

import json
import os
import pty
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import postgresql

from posthouse import directory, paths
from posthouse.cli import _directory
from posthouse.cli.main import run
from posthouse.directory import accounts, passwords
from posthouse.site import load

Command = Callable[..., int]
SITE = """domain = "snorl.ax"
hostname = "mail.snorl.ax"
postmaster = "user@snorl.ax"
[network]
ipv4 = "198.18.0.10"
"""
USER = "user@snorl.ax"


@pytest.fixture(params=["sqlite", "postgresql"])
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A machine's paths in a folder, with the domain of the documentation."""
    (tmp_path / "dkim").mkdir()
    (tmp_path / "posthouse.toml").write_text(SITE)
    monkeypatch.setattr(paths, "DIRECTORY_DB", database)
    if request.param == "postgresql":
        directory.switch(postgresql.emptied(request.getfixturevalue("cluster")))
    monkeypatch.setattr(paths, "SITE_FILE", tmp_path / "posthouse.toml")
    monkeypatch.setattr(paths, "STORE_USER", pwd.getpwuid(os.geteuid()).pw_name)
    for name in ("STORE", "MDBOX", "SIEVE", "INDEXES"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    for module in ("ensure", "all"):
        from posthouse.dkim import keys

        original = getattr(keys, module)
        monkeypatch.setattr(original, "__defaults__", (tmp_path / "dkim",))
    from posthouse.site import load

    monkeypatch.setattr(load.load, "__defaults__", (tmp_path / "posthouse.toml",))
    return tmp_path


@pytest.fixture
def say(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command; `stdin` is what it reads."""

    def command(*arguments: str, stdin: str | bytes = "") -> int:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        reading, writing = os.pipe()
        os.write(writing, data[:60_000])
        os.close(writing)
        saved = os.dup(0)
        os.dup2(reading, 0)
        try:
            return run(list(arguments))
        finally:
            os.dup2(saved, 0)
            os.close(saved)
            os.close(reading)

    assert command("domain", "add", "snorl.ax") == 0
    assert command("user", "add", USER, "--password-stdin", stdin="secret one\n") == 0
    return command


def stored(address: str) -> str:
    query = "SELECT password FROM users WHERE userid = ?"
    return str(directory.reading(lambda connection: connection.execute(query, (address,)).fetchone())[0])


def test_domain_add_prints_the_records_with_the_key(say: Command, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert say("domain", "add", "Bücher.example") == 0
    out = capfd.readouterr().out
    assert "xn--bcher-kva.example. 3600 MX\n    10 mail.snorl.ax." in out
    assert "v=DKIM1; h=sha256; k=rsa; s=email; p=" in out
    assert say("domain", "add", "twin.example", "--alias-of", "snorl.ax") == 0
    assert say("domain", "list", "--json") == 0


def test_reading_commands_have_json(say: Command, capfd: pytest.CaptureFixture[str]) -> None:
    say("alias", "add", "kim@snorl.ax", USER)
    capfd.readouterr()

    def shown(*arguments: str) -> object:
        assert say(*arguments) == 0
        return json.loads(capfd.readouterr().out)

    domain = {"name": "snorl.ax", "active": True, "alias_of": None, "accounts": 1, "aliases": 1}
    assert shown("domain", "list", "--json") == [domain]
    assert shown("domain", "show", "snorl.ax", "--json") == domain
    account = {
        "address": USER,
        "realname": None,
        "active": True,
        "quota": None,
        "has_password": True,
        "path": "snorl.ax/mails/user",
        "system": False,
        "format": "maildir",
        "frozen": False,
        "apps_only": False,
        "aliases": ["kim@snorl.ax"],
        "may_send_as": [],
    }
    assert shown("user", "list", "--json") == [account]
    assert shown("user", "show", USER, "--json") == account
    alias = {"address": "kim@snorl.ax", "targets": [USER], "active": True}
    assert shown("alias", "list", "--json", "--domain", "snorl.ax") == [alias]
    assert shown("alias", "show", "kim@snorl.ax", "--json") == alias
    records = shown("dns", "json")
    assert shown("dns", "show", "--json") == records
    assert isinstance(records, list)
    assert {record["type"] for record in records} == {"A", "PTR", "MX", "TXT", "SRV"}
    for command in (
        "domain list",
        "user list",
        f"user show {USER}",
        "alias list",
        "alias show kim@snorl.ax",
        "dns",
    ):
        assert say(*command.split()) == 0
        assert "snorl.ax" in capfd.readouterr().out
    assert say("dns", "zone") == 0
    assert "snorl.ax. 3600 IN MX 10 mail.snorl.ax.\n" in capfd.readouterr().out


def test_passwords(say: Command, capfd: pytest.CaptureFixture[str]) -> None:
    assert passwords.verify(stored(USER), "secret one")
    for form in (["password"], ["user", "password"]):
        for password in ["with 'quotes' \"and\" %d $x", " two  spaces ", "Grüße 日本"]:
            assert say(*form, USER, "--password-stdin", stdin=password + "\n") == 0
            assert passwords.verify(stored(USER), password)
    before = stored(USER)
    for bad in ("", "\n", "a\nb\n", "a\0b\n", "x" * 4096 + "\n", b"\xff\xfe\n"):
        capfd.readouterr()
        assert say("password", USER, "--password-stdin", stdin=bad) == 2
        assert "password" in capfd.readouterr().err.lower()
    assert stored(USER) == before
    capfd.readouterr()
    assert say("password", USER, "--generate") == 0
    assert passwords.verify(stored(USER), capfd.readouterr().out.strip())
    assert say("password", "gone@snorl.ax", "--password-stdin", stdin="x\n") == 2
    assert say("password", USER) == 2  # no terminal to ask on


def test_a_password_is_asked_for_twice_without_echo(machine: Path) -> None:
    directory.writing(lambda c: c.execute("INSERT INTO transport (domain) VALUES ('snorl.ax')").rowcount)
    code = (
        "import sys; from pathlib import Path; from posthouse import paths; "
        "from posthouse.cli.main import run; "
        f"paths.DIRECTORY_DB = Path({str(paths.DIRECTORY_DB)!r}); sys.exit(run(['user', 'add', {USER!r}]))"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    for _ in range(2):
        while not said.rstrip(b" ").endswith(b":") or said.count(b":") < _ + 1:
            said += os.read(terminal, 1000)
        os.write(terminal, b"top secret\n")
    try:
        while more := os.read(terminal, 1000):
            said += more
    except OSError:
        pass  # the other end has closed
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    assert b"secret" not in said
    assert passwords.verify(stored(USER), "top secret")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["user", "add", USER], 2, "here already"),
        (["user", "add", "x@nowhere.example"], 2, "posthouse domain add nowhere.example"),
        (["user", "add", "x y@snorl.ax"], 2, "cannot stand"),
        (["user", "add", "x@snorl.ax", "--quota", "lots"], 2, "quota"),
        (["user", "show", "x@snorl.ax"], 2, "no account"),
        (["user", "change", USER], 2, "Nothing to change"),
        (["user", "change", USER, "--disable"], 2, "postmaster"),
        (["user", "remove", USER, "--yes"], 2, "postmaster"),
        (["user", "change", USER, "--may-send-as", "x@other.example"], 2, "other.example is not here"),
        (["domain", "add", "https://x.example"], 2, "write 'x.example'"),
        (["domain", "add", "mail.snorl.ax"], 2, "name of this host"),
        (["domain", "add", "snorl.ax"], 2, "here already"),
        (["domain", "remove", "snorl.ax", "--yes"], 2, "main domain"),
        (["alias", "add", "x@snorl.ax"], 2, "TARGET"),
        (["alias", "add", "x@snorl.ax", "root@localhost"], 2, "Unix user"),
        (["alias", "add", "x@snorl.ax", "root@mail.snorl.ax"], 2, "Unix user"),
        (["alias", "remove", "x@snorl.ax", "--yes"], 2, "no alias"),
        (["dns", "show", "other.example"], 2, "not here"),
    ],
)
def test_clear_errors(
    say: Command, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, told: str
) -> None:
    capfd.readouterr()
    assert say(*arguments) == status
    error = capfd.readouterr().err
    assert told in error
    assert "bug" not in error


def test_changes(say: Command, machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ann = "ann@snorl.ax"
    assert say("user", "add", ann, "--password-stdin", "--name", "Ann", "--quota", "2 GiB", stdin="x\n") == 0
    assert say("user", "change", ann, "--name", "", "--quota", "site", "--may-send-as", "@snorl.ax") == 0
    account = directory.reading(lambda connection: accounts.get(connection, ann))
    assert (account.realname, account.quota, account.may_send_as) == (None, None, ("@snorl.ax",))
    assert say("user", "change", ann, "--disable", "--may-not-send-as", "@snorl.ax") == 0
    assert not directory.reading(lambda connection: accounts.get(connection, ann)).active
    assert say("alias", "add", "team@snorl.ax", ann, USER) == 0
    assert say("alias", "change", "team@snorl.ax", "--to", USER, "--disable") == 0
    assert say("alias", "change", "team@snorl.ax", "--enable") == 0
    assert say("alias", "remove", "team@snorl.ax") == 2  # needs --yes where nobody can be asked
    assert say("alias", "remove", "team@snorl.ax", "--yes") == 0
    mail = machine / "store/snorl.ax/mails/ann/cur"
    mail.mkdir(parents=True)
    capfd.readouterr()
    assert say("user", "remove", ann, "--yes") == 0
    assert str(mail.parent) in capfd.readouterr().err
    assert mail.exists()
    assert say("domain", "add", "b.example") == 0
    assert say("user", "add", "b@b.example", "--generate") == 0
    assert say("domain", "remove", "b.example", "--yes") == 1
    assert "b@b.example" in capfd.readouterr().err
    assert say("user", "remove", "b@b.example", "--yes") == 0
    assert say("domain", "change", "b.example", "--disable") == 0
    assert say("domain", "remove", "b.example", "--yes") == 0


def test_a_command_pays_only_for_itself() -> None:
    code = (
        "import sys, posthouse.cli.user, posthouse.cli.alias, posthouse.cli.domain, posthouse.cli.password; "
    )
    code += "print([m for m in ('pydantic', 'cryptography', 'argon2', 'dns', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_account_is_added_without_reading_the_whole_site(
    say: Command, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no word is said about has its default, which is the site's own."""
    site = load.parse(SITE)
    assert (site.auth.mechanisms, site.mail.format) == ([], "maildir")
    asked: list[None] = []
    monkeypatch.setattr(_directory, "site", lambda: asked.append(None))
    assert say("user", "add", "ann@snorl.ax", "--generate") == 0
    assert not asked
    for number, words in enumerate(
        ("[mail]\nformat = 'maildir'", "[auth]\nmechanisms = []", "[mail\n", "auth = 1")
    ):
        (machine / "posthouse.toml").write_text(f"{words}\n{SITE}")
        assert say("user", "add", f"bob{number}@snorl.ax", "--generate") == 0
        assert asked, words
        asked.clear()


def test_mail_that_lies_around_another_s_is_not_deleted(
    say: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    add = "INSERT INTO users (userid, home) VALUES ('up@snorl.ax', 'snorl.ax/mails')"
    directory.writing(lambda connection: connection.execute(add).rowcount)
    capfd.readouterr()
    assert say("user", "remove", "up@snorl.ax", "--delete-mail", "--yes") == 2
    assert USER in capfd.readouterr().err
    assert say("user", "remove", "up@snorl.ax", "--yes") == 0
