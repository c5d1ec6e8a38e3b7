"""In which format an account's mail is stored: of each account, and never changed without its mail."""

from __future__ import annotations

import pytest
from tests.directory.people import REFUSED, is_sqlite, undone

from posthouse import paths
from posthouse.directory import Connection, accounts, queries


def dialect(connection: Connection) -> queries.Dialect:
    return "sqlite" if is_sqlite(connection) else "postgresql"


def test_plain_sql_makes_a_maildir_and_may_say_mdbox(people: Connection) -> None:
    assert accounts.get(people, "user@snorl.ax").format == "maildir"
    people.execute("INSERT INTO users (userid, format) VALUES ('m@snorl.ax', 'mdbox')")
    assert accounts.get(people, "m@snorl.ax").format == "mdbox"
    with undone(people), pytest.raises(REFUSED, match="format"):
        people.execute("INSERT INTO users (userid, format) VALUES ('n@snorl.ax', 'mbox')")


@pytest.mark.parametrize(("first", "then"), [(None, "mdbox"), ("mdbox", None), ("mdbox", "maildir")])
def test_the_format_does_not_change_without_the_mail(
    people: Connection, first: str | None, then: str | None
) -> None:
    people.execute("INSERT INTO users (userid, format) VALUES ('m@snorl.ax', ?)", (first,))
    with undone(people), pytest.raises(REFUSED, match="posthouse mailbox convert"):
        people.execute("UPDATE users SET format = ? WHERE userid = 'm@snorl.ax'", (then,))
    people.execute("UPDATE users SET realname = 'M', format = ? WHERE userid = 'm@snorl.ax'", (first,))
    accounts.set_format(people, "m@snorl.ax", then or "maildir")
    assert accounts.get(people, "m@snorl.ax").format == (then or "maildir")


def test_dovecot_is_told_where_it_is(people: Connection) -> None:
    accounts.add(people, "m@snorl.ax", None, format="mdbox")

    def told(user: str, fields: dict[str, str]) -> tuple[object, ...]:
        return tuple(people.execute(queries.userdb(user, fields, dialect(people))).fetchone())

    for user, old, new in (
        (
            "m",
            f"mdbox:{paths.MDBOX}/snorl.ax/mails/m",
            ("mdbox", f"{paths.MDBOX}/snorl.ax/mails/m", None),
        ),
        (
            "user",
            f"maildir:{paths.STORE}/snorl.ax/mails/user:INDEX={paths.INDEXES}/snorl.ax/mails/user",
            ("maildir", f"{paths.STORE}/snorl.ax/mails/user", f"{paths.INDEXES}/snorl.ax/mails/user"),
        ),
    ):
        assert told(f"{user}@snorl.ax", {"mail": queries.USERDB_23["mail"]})[1] == old
        wanted = ("mail_driver", "mail_path", "mail_index_path")
        assert told(f"{user}@snorl.ax", {name: queries.USERDB_24[name] for name in wanted})[1:] == new


def test_a_closed_account_is_to_be_tried_later(people: Connection) -> None:
    def told() -> object:
        query = queries.userdb("user@snorl.ax", {"tempfail": queries.USERDB_24["tempfail"]}, dialect(people))
        return people.execute(query).fetchone()[1]

    assert told() is None
    accounts.set_closed(people, "user@snorl.ax", True)
    assert told() == "yes"
    accounts.set_format(people, "user@snorl.ax", "mdbox")
    assert told() is None


def test_mail_inside_another_account_s_folder_is_found(people: Connection) -> None:
    people.execute("INSERT INTO users (userid, home) VALUES ('in@snorl.ax', 'snorl.ax/mails/user/in')")
    people.execute("INSERT INTO users (userid, home) VALUES ('by@snorl.ax', 'snorl.ax/mails/user_in')")
    assert accounts.nested(people, "user@snorl.ax") == ("in@snorl.ax",)
    assert accounts.nested(people, "in@snorl.ax") == ("user@snorl.ax",)
    assert accounts.nested(people, "by@snorl.ax") == ()
