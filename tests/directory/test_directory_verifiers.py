"""Credentials of SCRAM-SHA-256 and CRAM-MD5."""

from __future__ import annotations

import base64

import pytest
from tests.directory.people import REFUSED

from posthouse.directory import Connection, accounts, old_hashes, queries, verifiers
from posthouse.directory.queries import dialect_of

USER = "user@snorl.ax"


def found(connection: Connection, user: str, mechanism: str) -> list[tuple[str, str]]:
    rows = connection.execute(queries.passdb_mechanism(user, mechanism, dialect_of(connection))).fetchall()
    return [(row[0], row[1]) for row in rows]


def test_cram_md5_is_what_dovecot_makes() -> None:
    # `doveadm pw -s CRAM-MD5 -p test`
    known = "{CRAM-MD5}e02d374fde0dc75a17a557039a3a5338c7743304777dccd376f332bee68d2cf6"
    assert old_hashes.cram_md5("test") == known


def test_one_for_each_mechanism_beside_the_hash(people: Connection) -> None:
    accounts.set_password(people, USER, "{ARGON2ID}x")
    made = verifiers.make("correct horse", ["scram-sha-256", "cram-md5"])
    verifiers.put(people, USER, made)
    for mechanism, verifier in made.items():
        for user in ("USER@snorl.ax", "kim@snorl.ax"):
            assert found(people, user, mechanism) == [(USER, verifier)]
        for user in ("user2@snorl.ax", "off@snorl.ax", "root"):
            assert found(people, user, mechanism) == []
    count, salt, stored, server = made["SCRAM-SHA-256"].removeprefix("{SCRAM-SHA-256}").split(",")
    assert count == "4096"
    assert [len(base64.b64decode(part)) for part in (salt, stored, server)] == [16, 32, 32]
    accounts.change(people, USER, apps_only=True)
    assert found(people, USER, "CRAM-MD5") == []
    accounts.change(people, USER, apps_only=False, frozen=True)
    assert found(people, USER, "CRAM-MD5") == []
    accounts.change(people, USER, frozen=False)
    accounts.set_password(people, USER, "{ARGON2ID}y")
    assert found(people, USER, "SCRAM-SHA-256") == []


def test_a_password_that_is_stored_as_one_serves(people: Connection) -> None:
    accounts.set_password(people, USER, "{CRAM-MD5}00")
    assert found(people, USER, "CRAM-MD5") == [(USER, "{CRAM-MD5}00")]
    assert found(people, USER, "SCRAM-SHA-256") == []


def test_only_of_an_account_and_of_its_own_mechanism(people: Connection) -> None:
    insert = "INSERT INTO verifiers (userid, mechanism, verifier) VALUES (?, ?, ?)"
    with pytest.raises(REFUSED):
        people.execute(insert, ("nobody@snorl.ax", "CRAM-MD5", "{CRAM-MD5}00"))
