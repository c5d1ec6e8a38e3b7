"""What Postfix and Dovecot ask the directory: SQL text that `stack` puts into their map files.

Every function returns one line of SQL, for SQLite or PostgreSQL (`dialect`). Postfix's have `%s` where the key
goes (sqlite_table(5) and pgsql_table(5) quote it); Dovecot's take the text of the placeholder (2.3: `%u`, 2.4:
`%{user}`). No other % occurs. Keys are lowered by the query. What the queries need of the site is in `Names`,
and stands in them as literals, so that the tables stay free of anything but domains, accounts, aliases and
grants.

    map                       function           a hit means
    virtual_mailbox_domains   domains            ours
    sender_dependent_default_transport_maps
                              ours               DUNNO: not by the way of forwarded mail
    virtual_alias_maps        unaliased          a mailbox, and nothing else
                              aliases            the final recipients, nothing else to follow
    virtual_mailbox_maps      mailboxes          the mailbox exists and is active
    check_recipient_access    disabled           550 5.2.1
"""

# ruff: noqa: S608 - writing SQL is what this module is for; every value goes through `text`

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from posthouse import paths
from posthouse.directory.backend import Connection, Place
from posthouse.errors import UsageError

if TYPE_CHECKING:  # a command that only asks the directory does not pay for the model
    from posthouse.site.model import Site

Dialect = Literal["sqlite", "postgresql"]

# More nodes than any honest web of aliases has: what lies beyond is not followed.
MOST_NODES = 5000

# RFC 5321 section 4.5.1 and RFC 2142; the site's report address comes beside them.
BUILTIN = ("postmaster", "abuse", "root")


@dataclass(frozen=True)
class Names:
    """What the queries need of the site, all in lower case."""

    postmaster: str  # the mailbox that takes the builtin addresses
    report_to: str  # local part of the DMARC report address
    local: tuple[str, ...]  # Postfix's mydestination: no alias may lead to a Unix user there

    @classmethod
    def of(cls, site: Site) -> Names:
        """The names of a site."""
        host, domain = site.hostname.lower(), site.domain.lower()
        local = dict.fromkeys(
            (host, "localhost", f"localhost.{domain}", f"localhost.{host.partition('.')[2]}")
        )
        return cls(site.postmaster.lower(), site.dmarc.report_to.lower(), tuple(local))

    @property
    def builtin(self) -> tuple[str, ...]:
        """The local parts that exist at every domain."""
        return tuple(dict.fromkeys((*BUILTIN, self.report_to)))


def text(value: str) -> str:
    """`value` as an SQL literal. Raises UsageError where it could be read as anything else."""
    if not value.isascii() or not value.isprintable() or set(value) & set("'\"%\\{}$ "):
        raise UsageError(f"expected a plain name, found {value!r}", "Correct it in the site file.")
    return f"'{value}'"


def _list(values: Iterable[str]) -> str:
    return "(" + ", ".join(text(value) for value in values) + ")"


def dialect_of(where: Connection | Place) -> Dialect:
    """Return the dialect of a connection or a place."""
    return "sqlite" if isinstance(where, Path | sqlite3.Connection) else "postgresql"


def _line(sql: str, dialect: Dialect) -> str:
    """One line, in the dialect: the text is SQLite's, and PostgreSQL has two functions under other names."""
    if dialect == "postgresql":
        sql = re.sub(r"\bchar\(", "chr(", re.sub(r"\binstr\(", "strpos(", sql))
    return " ".join(sql.split())


def _lower(key: str, dialect: Dialect) -> str:
    # PostgreSQL: the ASCII letters only, and compared as bytes, whatever the database's locale.
    return f"lower({key})" if dialect == "sqlite" else f"lower(CAST({key} AS posthouse_key))"


def _local(address: str, dialect: Dialect) -> str:
    if dialect == "postgresql":  # which takes no negative length, where there is no @
        return f"split_part({address}, '@', 1)"
    return f"substr({address}, 1, instr({address}, '@') - 1)"


def _domain(address: str) -> str:
    return f"substr({address}, instr({address}, '@') + 1)"


def _base(address: str) -> str:
    """Without the extension: user+tag@domain gives user@domain (Postfix's recipient_delimiter = +)."""
    return (
        f"CASE WHEN instr({address}, '+') > 1 THEN substr({address}, 1, instr({address}, '+') - 1) || "
        f"substr({address}, instr({address}, '@')) ELSE {address} END"
    )


def _node(address: str) -> str:
    return f"{address}, {_base(address)}, {_domain(address)}"


def domains(key: str = "'%s'", dialect: Dialect = "sqlite") -> str:
    """Postfix: the mail domains that are ours (virtual_mailbox_domains)."""
    return _line(
        f"SELECT domain FROM transport WHERE domain = {_lower(key, dialect)} AND active = 1", dialect
    )


def ours(key: str = "'%s'", dialect: Dialect = "sqlite") -> str:
    """Postfix: DUNNO for a sender at a mail domain of ours, in use or not."""
    lowered = _lower(key, dialect)
    return _line(f"SELECT 'DUNNO' FROM transport WHERE domain = {_domain(lowered)}", dialect)


def mailboxes(key: str = "'%s'", dialect: Dialect = "sqlite") -> str:
    """Postfix: the Maildir below the store of an active mailbox (virtual_mailbox_maps)."""
    return _line(
        f"""SELECT u.path || '/' FROM users u JOIN transport t ON t.domain = u.domain
            WHERE u.userid = {_lower(key, dialect)} AND u.active = 1 AND t.active = 1""",
        dialect,
    )


def unaliased(key: str = "'%s'", dialect: Dialect = "sqlite") -> str:
    """Postfix: an active mailbox that is no alias, by itself: what `aliases` would say of it.

    Asked first, since that is most mail: a hundredth of the time of `aliases`, which SQLite must read anew for
    every address.
    """
    return _line(
        f"""SELECT u.userid FROM users u JOIN transport t ON t.domain = u.domain
            WHERE u.userid = {_lower(key, dialect)} AND u.active = 1 AND t.active = 1
            AND NOT EXISTS (SELECT 1 FROM virtual v WHERE v.address = u.userid AND v.active = 1)""",
        dialect,
    )


def aliases(names: Names, key: str = "'%s'", dialect: Dialect = "sqlite") -> str:
    """Postfix: the final recipients of one address of ours (virtual_alias_maps), one row each.

    Final is an active mailbox of ours, or an address elsewhere. Chains, domain aliases and the builtin
    addresses are followed; loops end and targets that lead nowhere are dropped. A mailbox that is also an
    alias keeps its copy. The catch-all answers only where nothing else has the address, disabled mailboxes
    included; a bare "@domain" key gives nothing, so Postfix cannot get around that. The extension of a
    plus-address is kept on the way to our own mailboxes, and an alias for the whole plus-address goes before
    its base. A builtin address whose own row leads nowhere is the postmaster's again: RFC 5321 section 4.5.1
    allows no other answer.
    """
    builtin = f"{_local('n.base', dialect)} IN {_list(names.builtin)}"
    listed = _exists("virtual x WHERE x.address IN (n.address, n.base) AND x.active = 1", dialect)
    mailbox = _exists("users u WHERE u.userid = n.base AND u.active = 1", dialect)
    own = f"({listed} OR {mailbox})"
    exact = _exists("virtual x WHERE x.address = n.address AND x.active = 1", dialect)
    here, known = (
        "JOIN transport t ON t.domain = n.domain AND t.active = 1",
        "LEFT JOIN transport t ON t.domain = n.domain",
    )
    if dialect == "postgresql":  # see _exists
        domain = "LATERAL (SELECT * FROM transport o WHERE o.domain = n.domain LIMIT 1) t"
        here, known = f"JOIN {domain} ON t.active = 1", f"LEFT JOIN {domain} ON true"
    extended = f"""CASE WHEN n.address <> n.base AND v.address = n.base AND instr(v.userid, '+') = 0
        AND {_exists(f"transport o WHERE o.domain = {_domain('v.userid')}", dialect)}
        THEN {_local("v.userid", dialect)} || substr(n.address, instr(n.address, '+'),
            instr(n.address, '@') - instr(n.address, '+')) || '@' || {_domain("v.userid")}
        ELSE v.userid END"""
    twin = "substr(n.address, 1, instr(n.address, '@')) || t.alias_of"
    postmaster = text(names.postmaster)
    lowered = _lower(key, dialect)
    walk = _walk(
        f"""SELECT {_node("k.address")} FROM (SELECT {lowered} AS address) k
            JOIN transport t ON t.domain = {_domain("k.address")} AND t.active = 1
            WHERE instr(k.address, '@') > 1""",
        here,
        (
            (extended, "v.address IN (n.address, n.base)", f"v.address = n.address OR NOT {exact}"),
            (twin, "", f"t.alias_of IS NOT NULL AND NOT {own}"),
            (postmaster, "", f"t.alias_of IS NULL AND {builtin} AND NOT {own}"),
            (
                "v.userid",
                "v.address = '@' || n.domain",
                f"""NOT {own} AND NOT {builtin}
                    AND NOT {_exists("users u WHERE u.userid = n.base", dialect)}""",
            ),
        ),
        dialect,
    )
    return _line(
        f"""WITH RECURSIVE {walk},
        final(address) AS (
            SELECT DISTINCT n.address FROM node n {known}
            WHERE CASE WHEN t.domain IS NULL THEN n.domain NOT IN {_list(names.local)}
                ELSE t.active = 1 AND {mailbox}
                     AND (n.address = n.base OR NOT {exact}) END)
        SELECT address FROM final
        UNION SELECT u.userid FROM users u JOIN transport t ON t.domain = u.domain AND t.active = 1
            JOIN transport k ON k.domain = {_domain(lowered)} AND k.active = 1
            WHERE u.userid = {postmaster} AND u.active = 1
                AND {_local(lowered, dialect)} IN {_list(names.builtin)}
                AND NOT EXISTS (SELECT 1 FROM final)""",
        dialect,
    )


def _exists(rows: str, dialect: Dialect) -> str:
    # PostgreSQL takes a web of aliases for large, and would read whole tables once to have EXISTS for all of it;
    # one value, or one row of a joined table, it looks up by the index.
    return (
        f"EXISTS (SELECT 1 FROM {rows})"
        if dialect == "sqlite"
        else f"((SELECT 1 FROM {rows} LIMIT 1) IS NOT NULL)"
    )


def _walk(start: str, here: str, steps: Iterable[tuple[str, str, str]], dialect: Dialect) -> str:
    """The common table `node`: from `start`, every node `n` that the steps lead to, each once.

    A step: the next node's address, on which rows `v` of `virtual` ("": none is asked), and where.
    """
    if dialect == "sqlite":
        unions = [
            f"""UNION SELECT {_node(address)} FROM node n {here}
                {f"JOIN virtual v ON {rows} AND v.active = 1" if rows else ""} WHERE {where}"""
            for address, rows, where in steps
        ]
        return f"node(address, base, domain) AS ( {start} {' '.join(unions)} LIMIT {MOST_NODES})"
    # PostgreSQL takes one step that names the table, and its limit from who reads it.
    one = " UNION ALL ".join(
        f"SELECT {address} {f'FROM virtual v WHERE {rows} AND v.active = 1 AND' if rows else 'WHERE'} ({where})"
        for address, rows, where in steps
    )
    return f"""walk(address, base, domain) AS ({start}
        UNION SELECT {_node("s.address")} FROM walk n {here} CROSS JOIN LATERAL ({one}) s(address)),
        node AS (SELECT * FROM walk LIMIT {MOST_NODES})"""


def disabled(names: Names, key: str = "'%s'", dialect: Dialect = "sqlite") -> str:
    """Postfix: an access(5) refusal for a mailbox that is switched off and has no alias instead."""
    return _line(
        f"""SELECT '550 5.2.1 This mailbox is disabled' FROM users u
            JOIN transport t ON t.domain = u.domain AND t.active = 1
            WHERE u.userid = {_lower(key, dialect)} AND u.active = 0
            AND {_local("u.userid", dialect)} NOT IN {_list(names.builtin)}
            AND NOT EXISTS (SELECT 1 FROM virtual v WHERE v.address = u.userid AND v.active = 1)""",
        dialect,
    )


# Dovecot's userdb: its field = an SQL expression over uid, gid, path (below the store), format and quota (bytes).
# `tempfail` ends the lookup in a temporary error (userdb extra fields).
# A field that is NULL is left to Dovecot's own settings.
USERDB_23: Mapping[str, str] = {
    "uid": "uid",
    "gid": "gid",
    "home": f"'{paths.SIEVE}/' || path",
    "mail": f"CASE WHEN format = 'mdbox' THEN 'mdbox:{paths.MDBOX}/' || path "
    f"ELSE 'maildir:{paths.STORE}/' || path || ':INDEX={paths.INDEXES}/' || path END",
    "quota_rule": "'*:bytes=' || quota",
    "tempfail": "CASE WHEN closed = 1 THEN 'yes' END",
}
USERDB_24: Mapping[str, str] = {
    "uid": "uid",
    "gid": "gid",
    "home": f"'{paths.SIEVE}/' || path",
    "mail_driver": "coalesce(format, 'maildir')",
    "mail_path": f"CASE WHEN format = 'mdbox' THEN '{paths.MDBOX}/' ELSE '{paths.STORE}/' END || path",
    # An mdbox is its indexes: they stay with it.
    "mail_index_path": f"CASE WHEN format = 'mdbox' THEN NULL ELSE '{paths.INDEXES}/' || path END",
    "quota_storage_size": "CASE WHEN quota = 0 THEN 'unlimited' ELSE quota || 'B' END",
    "tempfail": "CASE WHEN closed = 1 THEN 'yes' END",
}


def _who(user: str, dialect: Dialect) -> str:
    """An account that may log in, by its login or by an alias whose only target it is."""
    key = _lower(f"'{user}'", dialect)
    return f"""FROM users u JOIN transport t ON t.domain = u.domain
        WHERE u.userid = coalesce((SELECT userid FROM users WHERE userid = {key}),
            (SELECT max(v.userid) FROM virtual v WHERE v.address = {key} AND v.active = 1 HAVING count(*) = 1))
        AND u.active = 1 AND t.active = 1 AND u.frozen = 0"""


def passdb(user: str, digest: str, service: str, dialect: Dialect = "sqlite") -> str:
    """Dovecot: the account that logs in by PLAIN or LOGIN; the arguments are placeholders' texts.

    An app password with this `digest` (SHA-256) for this `service` needs no more (`nopassword`, and `app`, its
    name, else "-"). Any other is compared with `password`, which always carries its {SCHEME}: one stored without is
    an argon2 or crypt(3) hash; `hash` is "old" where its scheme is not one of ours. Braces and the dollar sign are
    spelled by their codes, since Dovecot's configuration gives them a meaning.
    """
    current = " OR ".join(
        f"substr(u.password, 1, {len(scheme) + 2}) = char(123) || '{scheme}' || char(125)"
        for scheme in ("ARGON2ID", "SCRAM-SHA-256")
    )
    flags = " ".join(f"WHEN '{name}' THEN a.{name}" for name in ("imap", "pop3", "smtp", "sieve"))
    who = _who(user, dialect).replace(
        "FROM users u",
        f"""FROM users u LEFT JOIN app_passwords a ON a.userid = u.userid AND a.digest = '{digest}'
            AND CASE '{service}' {flags} ELSE 0 END = 1""",
        1,
    )
    return _line(
        f"""SELECT u.userid AS user,
            CASE WHEN a.name IS NOT NULL THEN NULL
                WHEN substr(u.password, 1, 1) = char(123) THEN u.password
                WHEN substr(u.password, 1, 9) = char(36) || 'argon2id'
                    THEN char(123) || 'ARGON2ID' || char(125) || u.password
                ELSE char(123) || 'CRYPT' || char(125) || u.password END AS password,
            CASE WHEN a.name IS NOT NULL THEN 'Y' END AS nopassword,
            coalesce(a.name, '-') AS app,
            CASE WHEN {current} OR substr(u.password, 1, 9) = char(36) || 'argon2id' THEN 'new' ELSE 'old' END AS hash
            {who} AND (a.name IS NOT NULL OR (u.apps_only = 0 AND u.password IS NOT NULL))""",
        dialect,
    )


def passdb_mechanism(user: str, mechanism: str, dialect: Dialect = "sqlite") -> str:
    """Dovecot: userid and verifier for SCRAM-SHA-256 or CRAM-MD5; a password that is stored as one serves too."""
    own = f"char(123) || '{mechanism}' || char(125)"
    who = _who(user, dialect).replace(
        "FROM users u",
        f"FROM users u LEFT JOIN verifiers v ON v.userid = u.userid AND v.mechanism = '{mechanism}'",
        1,
    )
    return _line(
        f"""SELECT u.userid AS user, coalesce(v.verifier, u.password) AS password {who} AND u.apps_only = 0
            AND (v.verifier IS NOT NULL OR substr(u.password, 1, {len(mechanism) + 2}) = {own})""",
        dialect,
    )


def passdb_apps(user: str, digest: str, service: str, dialect: Dialect = "sqlite") -> str:
    """Dovecot: the account with an app password of this `digest` for this `service`, all placeholders' texts."""
    flags = " ".join(f"WHEN '{name}' THEN a.{name}" for name in ("imap", "pop3", "smtp", "sieve"))
    who = _who(user, dialect).replace(
        "FROM users u", "FROM users u JOIN app_passwords a ON a.userid = u.userid", 1
    )
    return _line(
        f"""SELECT u.userid AS user, NULL AS password, 'Y' AS nopassword, a.name AS app {who}
            AND a.digest = '{digest}' AND CASE '{service}' {flags} ELSE 0 END = 1""",
        dialect,
    )


def userdb(user: str, fields: Mapping[str, str], dialect: Dialect = "sqlite") -> str:
    """Dovecot: where an active account's mail is; `fields` is USERDB_23 or USERDB_24."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in fields.items())
    return _line(
        f"""SELECT userid AS user, {columns} FROM users JOIN transport USING (domain)
            WHERE userid = {_lower(f"'{user}'", dialect)} AND users.active = 1 AND transport.active = 1""",
        dialect,
    )


def iterate(dialect: Dialect = "sqlite") -> str:
    """Dovecot: every account that has a mailbox (doveadm -A)."""
    return _line(
        """SELECT userid AS user FROM users JOIN transport USING (domain)
           WHERE users.active = 1 AND transport.active = 1 ORDER BY userid""",
        dialect,
    )
