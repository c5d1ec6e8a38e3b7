"""Dovecot's passwd-file and Postfix's virtual alias file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from posthouse.imports import passwd_file, virtual_file

CRYPT = "$6$saltsalt$" + "b" * 86
PASSWD = f"""# users
ann@snorl.ax:{{SHA512-CRYPT}}{CRYPT}:5000:5000:Ann Example,Room 1:/home/ann::userdb_quota_rule=*:storage=5G
bob@snorl.ax:{CRYPT}::::::userdb_quota_rule=*:storage=2048 allow_nets=10.0.0.0/8

cat@snorl.ax:{{PLAIN}}in clear:::::
dan@snorl.ax:!:::::
eve@snorl.ax:{{SHA512-CRYPT}}{CRYPT}::::::nologin
fay@snorl.ax:{{SHA512-CRYPT}}{CRYPT}::::::userdb_quota_storage_size=1G
"""


def test_a_passwd_file() -> None:
    found = passwd_file.parse(PASSWD, "users")
    assert found.problems == ()
    people = {person.address.partition("@")[0]: person for person in found.persons}
    assert people["ann"].password_hash == "{SHA512-CRYPT}" + CRYPT
    assert (people["ann"].realname, people["ann"].quota) == ("Ann Example", 5 << 30)
    assert (people["bob"].password_hash, people["bob"].quota) == ("{CRYPT}" + CRYPT, 2 << 20)
    assert (people["cat"].password, people["cat"].password_hash) == ("in clear", None)
    assert (people["dan"].password, people["dan"].password_hash) == (None, None)
    assert people["eve"].password_hash is None
    assert people["fay"].quota == 1 << 30
    assert any("allow_nets" in note for note in found.notes)
    assert any("nologin" in note for note in found.notes)


def test_what_is_wrong_in_a_passwd_file() -> None:
    text = "ann\nbob:x\ncat@snorl.ax:{SHA512-CRYPT}$6$cut::\ndan@snorl.ax:x::::::userdb_quota_rule=Trash:ignore\n"
    found = passwd_file.parse(text, "users")
    assert [line for _, line, _ in found.problems] == [1, 2, 3, 4]
    assert passwd_file.parse("bob:x\n", "users", "snorl.ax").persons[0].address == "bob@snorl.ax"


def test_a_virtual_file() -> None:
    text = """# domains
snorl.ax anything
kim@snorl.ax   user@snorl.ax
team@snorl.ax  user@snorl.ax,
    # a comment between
    user2@snorl.ax other@far.example
@snorl.ax\tuser@snorl.ax
user@snorl.ax user@snorl.ax
"""
    found = virtual_file.parse(text, "virtual")
    assert found.problems == ()
    assert [(f.address, f.target, f.where.line) for f in found.forwards] == [
        ("kim@snorl.ax", "user@snorl.ax", 3),
        ("team@snorl.ax", "user@snorl.ax", 4),
        ("team@snorl.ax", "user2@snorl.ax", 4),
        ("team@snorl.ax", "other@far.example", 4),
        ("@snorl.ax", "user@snorl.ax", 7),
    ]
    assert [name for _, name in found.domains] == ["snorl.ax"]
    bare = virtual_file.parse("kim user\n", "virtual", "snorl.ax").forwards[0]
    assert (bare.address, bare.target) == ("kim@snorl.ax", "user@snorl.ax")


def test_what_is_wrong_in_a_virtual_file() -> None:
    lines = [
        "  goes on", "kim user", "kim@snorl.ax", "@snorl.ax @b.example", "x@snorl.ax |/bin/sh",
        "x@snorl.ax /etc/passwd", "x@snorl.ax :include:/x", "x@snorl.ax user", "/^x/ user@snorl.ax",
        "x@snorl.ax a b@c",
    ]  # fmt: skip
    found = virtual_file.parse("\n".join(lines), "virtual")
    assert {line for _, line, _ in found.problems} == set(range(1, len(lines) + 1))
    assert found.forwards == ()
    assert "--alias-of b.example" in " ".join(message for _, _, message in found.problems)


@given(st.text(alphabet=" \t\n#:,@.|/{}abz09\\\"'é", max_size=120))
def test_whatever_stands_in_the_files(text: str) -> None:
    """Read, or refused by line: never a traceback, and no alias that is no address."""
    for domain in (None, "snorl.ax"):
        people = passwd_file.parse(text, "users", domain) + virtual_file.parse(text, "virtual", domain)
        for forward in people.forwards:
            assert forward.target.count("@") == 1
            assert not set(forward.address + forward.target) & set(" |/\\\"':#,")
        last = len(text.splitlines())
        assert all(1 <= line <= last for _, line, _ in people.problems)
