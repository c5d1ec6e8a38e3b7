"""Dovecot: stores the mail (LMTP, Sieve, quota), gives it out (IMAP, POP3), judges logins (Dovecot 2.3, 2.4).

Takes the directory's queries and the site's limits. Two templates, since the two releases share hardly a
setting. If the directory is away, logins and deliveries are answered with a temporary error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posthouse import paths
from posthouse.directory import passwords, queries
from posthouse.resources import (
    Blueprint,
    Checker,
    Derived,
    Directory,
    File,
    Group,
    Package,
    Program,
    Service,
    User,
)
from posthouse.stack import learning, tls
from posthouse.stack.daemon import Wanted, drop_in
from posthouse.stack.overrides import appended
from posthouse.stack.postgresql.client import settings, words
from posthouse.stack.template import configured, render

ETC = Path("/etc/dovecot")
DELIVERIES = 8  # at once: as many LMTP processes as Postfix may use connections
AUTH = ETC / "posthouse-auth.conf"
SIEVE = ETC / "sieve/before.sieve"
BACK = ETC / "posthouse-back"
COMPILED = ETC / "sieve/before.svbin"
# sievec leaves its output to root alone, whatever the umask. Deliveries run as the store's user and can't
# compile it themselves: /etc is read-only for them, so each would do it again in vain.
COMPILE = f"/usr/bin/sievec {SIEVE} {COMPILED} && chmod 644 {COMPILED}"
# What a conversion that was killed, by a power cut for one, left closed is opened again.
RECOVER = f"rmdir {paths.CONVERSIONS} 2>/dev/null || test ! -e {paths.CONVERSIONS} || {paths.COMMAND} mailbox recover"

UNLOCK = ETC / "posthouse-unlock"
MECHANISMS = ("scram-sha-256", "cram-md5")
TELL = ETC / "posthouse-logins.lua"


def _questions(
    user: str, service: str, digest: str, fields: Mapping[str, str], dialect: queries.Dialect
) -> dict[str, str]:
    # Dovecot takes a connection from this machine to itself for as safe as TLS, and has no switch for that.
    inside_tls = f"('%{{secured}}' = 'TLS' OR '{service}' NOT IN ('imap', 'pop3', 'sieve'))"
    return {
        "passdb": f"{queries.passdb(user, digest, service, dialect)} AND {inside_tls}",
        **{
            name: f"{queries.passdb_mechanism(user, name.upper(), dialect)} AND {inside_tls}"
            for name in MECHANISMS
        },
        "userdb": queries.userdb(user, fields, dialect),
        "iterate": queries.iterate(dialect),
    }


def _main(wanted: Wanted) -> tuple[File, ...]:
    """dovecot.conf, and how one logs in."""
    values = {
        **wanted.values,
        "tls": paths.TLS,
        "ciphers": tls.CIPHERS,
        "curves": tls.CURVES,
        "store": paths.STORE,
        "sieve": paths.SIEVE,
        "store_user": paths.STORE_USER,
        "store_uid": paths.STORE_UID,
        "database": paths.DIRECTORY_DB,
        "parameters": settings(wanted.server, "dovecot") if wanted.server else {},
        "back": BACK,
        "tell": TELL,
        "back_socket": paths.DOVECOT_BACK.name,
        "agent": paths.AGENT_USER,
        "directory_group": paths.DIRECTORY_GROUP,
        "deliveries": DELIVERIES,
        "learner": paths.LEARNING_USER,
        "learn": learning.PROGRAM,
        "learn_seconds": learning.PATIENCE + 1,
        "learn_scripts": {kind: learning.script(kind) for kind in learning.KINDS},
        "postfix_spool": paths.POSTFIX_SPOOL,
    }
    if wanted.release.debian == 12:
        text = render("dovecot/dovecot-2.3.conf.j2", **values)
        auth = render("dovecot/auth-2.3.conf.j2", **values)
    else:
        asked = _questions(
            "%{user}", "%{protocol}", "%{password | sha256 | hexlify}", queries.USERDB_24, wanted.dialect
        )
        mechanisms = {name: asked[name] for name in MECHANISMS}
        text = render("dovecot/dovecot-2.4.conf.j2", **values)
        auth = render("dovecot/auth-2.4.conf.j2", **values, **asked, passdb_mechanisms=mechanisms)
    main = configured(ETC / "dovecot.conf", appended(text, wanted.overrides, "dovecot/local.conf"))
    return main, configured(AUTH, auth)


def _sql(wanted: Wanted) -> tuple[File, ...]:
    """2.3's args files, one each: sharing one is CVE-2022-30550."""
    if wanted.release.debian != 12:
        return ()
    asked = _questions("%u", "%{service}", "%{sha256:password}", queries.USERDB_23, wanted.dialect)
    lines = {
        **{f"passdb-{name}.conf": f"password_query = {asked[name]}" for name in wanted.site.auth.mechanisms},
        "passdb.conf": f"password_query = {asked['passdb']}",
        "userdb.conf": f"user_query = {asked['userdb']}\niterate_query = {asked['iterate']}",
    }
    return tuple(
        File(
            ETC / name,
            render(
                "dovecot/sql.conf.ext.j2",
                **wanted.values,
                connect=wanted.server and words(wanted.server, "dovecot"),
                database=paths.DIRECTORY_DB,
                queries=text,
            ),
            group="dovecot",
            mode=0o640,
        )
        for name, text in lines.items()
    )


def _unlock() -> File:
    """What removes locks that nobody holds: one that the power was cut from names a process that may be another now."""
    values = {
        "folders": " ".join(map(str, (paths.STORE, paths.MDBOX, paths.INDEXES))),
        "store_user": paths.STORE_USER,
        "run": paths.RUN,
    }
    return File(UNLOCK, render("dovecot/posthouse-unlock.j2", **values), mode=0o755)


def _tell(wanted: Wanted) -> File:
    """What tells the agent of logins (Dovecot's Lua authentication interface)."""
    # 2.3 takes extra fields as text, 2.4 as a table.
    remote, nothing = ("%{rip}", '""') if wanted.release.debian == 12 else ("%{remote_ip}", "{}")
    values = {
        "pipe": paths.LOGINS_PIPE,
        "longest": passwords.LONGEST,
        "remote": remote,
        "nothing": nothing,
    }
    return File(TELL, render("dovecot/posthouse-logins.lua.j2", **values), mode=0o644)


def blueprint(wanted: Wanted) -> Blueprint:
    """What Dovecot needs."""
    store = tuple(
        Directory(path, paths.STORE_USER, paths.STORE_USER, 0o700)
        for path in (paths.STORE, paths.MDBOX, paths.SIEVE, paths.INDEXES)
    )
    folder = Path(__file__).parent
    database = "sqlite" if wanted.server is None else "pgsql"
    remote = wanted.server is not None and not wanted.server.is_local
    back = (File(BACK, (folder / "posthouse-back.sh").read_text(), mode=0o755),) if remote else ()
    return Blueprint(
        packages=tuple(
            Package(f"dovecot-{part}")
            for part in ("core", "imapd", "pop3d", "lmtpd", "sieve", "managesieved", "auth-lua", database)
        ),
        groups=(Group(paths.STORE_USER, paths.STORE_UID),),
        users=(User(paths.STORE_USER, paths.STORE_USER, paths.STORE_UID, home="/var/mail"),),
        directories=(*store, Directory(ETC / "sieve")),
        files=(
            *_main(wanted),
            *_sql(wanted),
            *back,
            _unlock(),
            _tell(wanted),
            File(SIEVE, (folder / "before.sieve").read_text()),
            *drop_in(
                wanted,
                "dovecot",
                render("dovecot/unit.conf.j2", recover=RECOVER, unlock=UNLOCK),
            ),
        ),
        derived=(Derived(COMPILED, ("/bin/sh", "-c", COMPILE), (SIEVE,)),),
        checkers=(
            Checker(
                "doveconf",
                ("/usr/bin/doveconf", "-c", "{stage}/etc/dovecot/dovecot.conf"),
                refuse=r"(?i)fatal:|error:|warning:|obsolete",
            ),
        ),
        services=(
            Service(
                "dovecot",
                "dovecot.service",
                Program(
                    ("/usr/sbin/dovecot", "-F"),
                    before=(("/bin/sh", "-c", f"{RECOVER} || true"), (str(UNLOCK),)),
                    # as systemd does: sessions outlive its own master (shutdown_clients)
                    stop_group=True,
                ),
                restart_on=(AUTH,),
                reload=("/usr/bin/doveadm", "reload"),
                reload_on=(ETC, paths.TLS),
                ready=(
                    "tcp:127.0.0.1:143",
                    "tcp:127.0.0.1:993",
                    f"unix:{paths.POSTFIX_SPOOL}/private/dovecot-lmtp",
                    f"unix:{paths.POSTFIX_SPOOL}/private/auth",
                    f"unix:{paths.POSTFIX_SPOOL}/private/quota-status",
                ),
            ),
        ),
        quiet_units=("dovecot.socket",),
    )
