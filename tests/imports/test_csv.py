"""Tables of accounts, as spreadsheets and people write them."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.errors import UsageError
from posthouse.imports import csv_file, hashes, text_file
from posthouse.imports.people import SITE, People

HASH = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA"
BCRYPT = "$2y$05$" + "a" * 53


def parse(text: str) -> People:
    return csv_file.parse(text, "people.csv")


def wrong(text: str) -> list[tuple[int, str]]:
    return [(line, message) for _, line, message in parse(text).problems]


def test_every_column() -> None:
    found = parse(
        "Address;password;password_hash;Name;quota;active;aliases\n"
        f"Ann@Snorl.ax;;{HASH};Ann Ä;2G;yes;a@snorl.ax, b@snorl.ax\n"
        "bob@snorl.ax; s p ;;;site;no;\n"
        f"cat@snorl.ax;;{BCRYPT};;0;;@snorl.ax\n"
    )
    assert found.problems == ()
    ann, bob, cat = found.persons
    assert (ann.address, ann.password_hash, ann.realname, ann.quota) == (
        "ann@snorl.ax",
        HASH,
        "Ann Ä",
        2 << 30,
    )
    assert (ann.active, ann.aliases, ann.where.line) == (True, ("a@snorl.ax", "b@snorl.ax"), 2)
    assert (bob.password, bob.quota, bob.active, bob.realname) == (" s p ", SITE, False, None)
    assert (cat.password_hash, cat.quota, cat.aliases) == ("{CRYPT}" + BCRYPT, 0, ("@snorl.ax",))


def test_everything_wrong_is_told_at_once_by_line() -> None:
    text = (
        "address,password,password_hash,quota,active\n"
        "no address,x,,,\n"
        '"ann@snorl.ax","two\nlines",,,\n'
        "bob@snorl.ax,x,{NONSENSE}y,lots,maybe\n"
        "cat@snorl.ax,x\n"
        "\n"
        "ann@snorl.ax,x,,,\n"
        "dan@snorl.ax,,{PLAIN}secret,,\n"
        "eve@snorl.ax,,{SHA512-CRYPT}$6$cut,,\n"
    )
    found = wrong(text)
    assert [line for line, _ in found] == [2, 3, 5, 5, 5, 5, 6, 9, 10, 8]
    told = " ".join(message for _, message in found)
    for word in ("not an address", "end of line", "NONSENSE", "both", "quota", "maybe", "5 cells, found 2",
                 "stands in people.csv:3", "not whole"):  # fmt: skip
        assert word in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no header"),
        ("ann@snorl.ax,secret\n", "unknown columns"),
        ("address,address\n", "twice"),
        ("password\nx\n", "columns missing: address"),
        ('address\n"ann@snorl.ax\n', "no CSV"),
    ],
)
def test_what_is_no_table(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_line_ends_and_separators(encoding: str, end: str, separator: str) -> None:
    rows = ["address,realname", "ann@snorl.ax,Grüße 日本", "bob@snorl.ax,"]
    data = end.join(row.replace(",", separator) for row in rows).encode(encoding)
    found = parse(text_file.decode(data, "people.csv"))
    assert [(p.address, p.realname) for p in found.persons] == [
        ("ann@snorl.ax", "Grüße 日本"),
        ("bob@snorl.ax", None),
    ]


def test_the_line_that_names_the_separator() -> None:
    found = parse("sep=;\r\naddress;realname\r\nann@snorl.ax;a, b\r\nx;y\r\n")
    assert found.persons[0].realname == "a, b"
    assert found.problems[0][1] == 4


def test_other_encodings_are_refused_by_line_or_named() -> None:
    data = "address,realname\nann@snorl.ax,Müller\n".encode("windows-1252")
    with pytest.raises(UsageError, match=r"people\.csv:2: .*0xfc"):
        text_file.decode(data, "people.csv")
    assert parse(text_file.decode(data, "people.csv", "windows-1252")).persons[0].realname == "Müller"
    with pytest.raises(UsageError, match="zero byte"):
        text_file.decode("address\n".encode("utf-16-le"), "people.csv")
    with pytest.raises(UsageError, match="no encoding"):
        text_file.decode(b"x", "people.csv", "nonsense")


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5), st.sampled_from(",;\t"))
def test_whatever_stands_in_the_cells(rows: list[tuple[str, str]], separator: str) -> None:
    """Whatever a table says, it is read or refused in words, and a good row beside it is read."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator)
    writer.writerows([("address", "realname"), ("good@snorl.ax", ""), *rows])
    try:
        found = parse(stream.getvalue())
    except UsageError:
        return
    assert found.persons[0].address == "good@snorl.ax"
    assert len(found.persons) + len(found.problems) >= len([r for r in rows if any(c.strip() for c in r)])


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are(data: bytes) -> None:
    told = "people.csv"
    try:
        parse(text_file.decode(data, "people.csv"))
    except UsageError as error:
        told = str(error)
    assert "people.csv" in told


@given(st.text(max_size=80))
def test_a_hash_is_taken_with_its_scheme_or_refused(text: str) -> None:
    try:
        found = hashes.checked(text)
    except UsageError:
        return
    assert hashes.split(found)[0]
    assert found.isascii()
    assert found.isprintable()


def test_hashes_that_debian_13_refuses() -> None:
    assert hashes.is_weak("{MD5-CRYPT}$1$abc$" + "a" * 22)
    assert hashes.is_weak("{CRYPT}" + "a" * 13)
    assert not hashes.is_weak("{CRYPT}" + BCRYPT)
    assert not hashes.is_weak(HASH)
