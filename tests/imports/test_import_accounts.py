"""`import accounts` and `import passwd`, from the command line to the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse import directory, paths
from posthouse.directory import accounts, aliases, bulk, domains, passwords

Command = Callable[..., int]
HASH = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA"
CRYPT = "{SHA512-CRYPT}$6$saltsalt$" + "b" * 86


def here() -> bulk.Known:
    return directory.reading(bulk.known)


def file(folder: Path, text: str, name: str = "people.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_table_is_imported(say: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = file(
        tmp_path,
        "address,password,password_hash,realname,quota,active,aliases\n"
        f'ann@b.example,,"{HASH}",Ann,1G,,a@b.example info@snorl.ax\n'
        "bob@snorl.ax,in clear,,,,no,\n"
        "cat@snorl.ax,,,,,,\n",
    )
    assert say("import", "accounts", table, "--yes") == 2
    assert "posthouse domain add b.example" in capfd.readouterr().err
    before = here()
    assert say("import", "accounts", table, "--add-domains", "--dry-run") == 0
    shown = capfd.readouterr()
    assert "3 accounts to add: ann@b.example, bob@snorl.ax, cat@snorl.ax" in shown.out
    assert "1     without a password" in shown.out
    assert here() == before
    assert say("import", "accounts", table, "--add-domains") == 2  # nobody is there to say yes
    assert here() == before
    capfd.readouterr()
    assert say("import", "accounts", table, "--add-domains", "--yes", "--json") == 0
    done = json.loads(capfd.readouterr().out)
    assert done["domains"] == ["b.example"]
    assert done["added"] == ["ann@b.example", "bob@snorl.ax", "cat@snorl.ax"]
    found = here().accounts
    assert found["ann@b.example"] == bulk.Row(HASH, "Ann", 1 << 30, True)
    assert passwords.verify(found["bob@snorl.ax"].password, "in clear")
    assert not found["bob@snorl.ax"].active
    assert found["cat@snorl.ax"].password is None
    assert here().aliases["info@snorl.ax"] == {"ann@b.example"}
    assert list((tmp_path / "dkim").glob("b.example.*.key"))


def test_a_password_serves_the_mechanisms_that_the_site_offers(say: Command, tmp_path: Path) -> None:
    with paths.SITE_FILE.open("a") as site:
        site.write('\n[auth]\nmechanisms = ["scram-sha-256"]\n')

    def kept() -> list[str]:
        ask = "SELECT userid FROM verifiers WHERE mechanism = 'SCRAM-SHA-256' ORDER BY userid"
        return [row[0] for row in directory.reading(lambda connection: connection.execute(ask).fetchall())]

    table = f'address,password,password_hash\nann@snorl.ax,in clear,\nbob@snorl.ax,,"{HASH}"\n'
    assert say("import", "accounts", file(tmp_path, table), "--yes") == 0
    assert kept() == ["ann@snorl.ax"]
    table = f'address,password,password_hash\nann@snorl.ax,,"{HASH}"\nbob@snorl.ax,anew,\n'
    assert say("import", "accounts", file(tmp_path, table), "--update", "--yes") == 0
    assert kept() == ["bob@snorl.ax"]


def test_nothing_at_all_unless_all_is_right(
    say: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = here()
    table = file(
        tmp_path,
        "address,password,aliases,active\n"
        "good@snorl.ax,x,,\n"
        "user@snorl.ax,x,,\n"
        "bad,x,,\n"
        "b@snorl.ax,x,x@nowhere.example,\n"
        "d@mail.snorl.ax,x,,\n",
    )
    assert say("import", "accounts", table, "--yes", "--add-domains") == 2
    told = capfd.readouterr().err
    assert "3 problems found" in told
    assert "people.csv:3: the account user@snorl.ax is here already" in told
    assert "people.csv:4: 'bad' is not an address" in told
    assert "people.csv:6: mail.snorl.ax is the name of this host" in told
    assert here() == before


def test_skip_and_update(say: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stored = here().accounts["user@snorl.ax"].password
    table = file(tmp_path, f"address,password_hash,realname\nuser@snorl.ax,,Me\nann@snorl.ax,{CRYPT},Ann\n")
    assert say("import", "accounts", table, "--skip-existing", "--update", "--yes") == 2
    assert say("import", "accounts", table, "--skip-existing", "--yes") == 0
    assert here().accounts["user@snorl.ax"].realname is None
    assert here().accounts["ann@snorl.ax"].password == CRYPT
    assert say("import", "accounts", table, "--update", "--yes") == 0
    me = here().accounts["user@snorl.ax"]
    assert (me.realname, me.password) == ("Me", stored)  # an empty cell says nothing
    capfd.readouterr()
    assert say("import", "accounts", table, "--update", "--yes") == 0
    assert "Nothing to do." in capfd.readouterr().out
    off = file(tmp_path, "address,active\nuser@snorl.ax,no\n", "off.csv")
    assert say("import", "accounts", off, "--update", "--yes") == 2
    assert "postmaster" in capfd.readouterr().err


def test_a_passwd_and_a_virtual_file(say: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    users = file(tmp_path, f"ann@snorl.ax:{CRYPT}:::Ann::\nbob@snorl.ax:{{PLAIN}}clear\n", "users")
    virtual = file(
        tmp_path,
        "snorl.ax x\nnew.example x\nteam@snorl.ax ann@snorl.ax, bob@snorl.ax\nall@new.example team@snorl.ax\n"
        "@new.example far@far.example\nuser@snorl.ax user@snorl.ax\n",
        "virtual",
    )
    assert say("import", "passwd", users, virtual, "--yes") == 2
    assert say("import", "passwd", users, virtual, "--yes", "--add-domains") == 0
    assert here().accounts["ann@snorl.ax"].password == CRYPT
    assert passwords.verify(here().accounts["bob@snorl.ax"].password, "clear")
    assert here().aliases == {
        "team@snorl.ax": {"ann@snorl.ax", "bob@snorl.ax"},
        "all@new.example": {"team@snorl.ax"},
        "@new.example": {"far@far.example"},
    }
    capfd.readouterr()
    assert say("import", "passwd", users, virtual, "--yes", "--skip-existing") == 0
    assert "Nothing to do." in capfd.readouterr().out


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("x@snorl.ax gone@snorl.ax", "does not exist"),
        ("x@snorl.ax root@mail.snorl.ax", "Unix user"),
        ("x@snorl.ax y@snorl.ax\ny@snorl.ax x@snorl.ax", "lead to itself"),
        ("kim@snorl.ax z@snorl.ax\nz@snorl.ax kim+tag@snorl.ax", "lead to itself"),
        ("@twin.example user@snorl.ax", "takes its catch-all"),
        ("x@other.example user@snorl.ax", "other.example is not here"),
    ],
)
def test_aliases_that_cannot_be(
    say: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str], lines: str, told: str
) -> None:
    assert say("domain", "add", "twin.example", "--alias-of", "snorl.ax") == 0
    assert say("alias", "add", "kim@snorl.ax", "user@snorl.ax") == 0
    before = here()
    users = file(tmp_path, "", "users")
    assert say("import", "passwd", users, file(tmp_path, lines + "\n", "virtual"), "--yes") == 2
    assert told in capfd.readouterr().err
    assert here() == before


def test_aliases_that_may_be(say: Command, tmp_path: Path) -> None:
    assert say("domain", "add", "twin.example", "--alias-of", "snorl.ax") == 0
    lines = (
        "user@snorl.ax user@snorl.ax, copy@far.example\nx@snorl.ax user@twin.example\n"
        "y@snorl.ax user+tag@snorl.ax\nz@snorl.ax postmaster@snorl.ax\nw@snorl.ax x@snorl.ax\n"
    )
    users = file(tmp_path, "", "users")
    assert say("import", "passwd", users, file(tmp_path, lines, "virtual"), "--yes") == 0
    found = directory.reading(lambda c: {alias.address: alias.targets for alias in aliases.list(c)})
    assert found["user@snorl.ax"] == ("copy@far.example",)
    assert len(found) == 5


def test_what_changed_in_between_is_seen(say: Command, tmp_path: Path) -> None:
    from posthouse.errors import UsageError
    from posthouse.imports import accounts as importing
    from posthouse.imports import csv_file

    people = csv_file.parse("address\nann@snorl.ax\n", "x")
    shown = directory.reading(lambda c: importing.plan(c, people, importing.Policy()))
    directory.writing(lambda c: domains.add(c, "b.example").name)  # of no importance
    directory.writing(lambda c: accounts.add(c, "ann@snorl.ax", None).address)
    with pytest.raises(UsageError, match=r"ann@snorl\.ax is here already"):
        directory.writing(lambda c: importing.carry_out(c, people, importing.Policy(), shown, {}))
