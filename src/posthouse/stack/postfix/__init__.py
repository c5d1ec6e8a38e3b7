"""Postfix: takes mail in on 25, 587 and 465 and from `sendmail`, routes it, sends it out (Postfix 3.7, 3.10).

Takes the site's names and limits and the directory's queries. Mail of ours goes to Dovecot by LMTP. If the
directory, the agent or the filter is away, every affected command is answered with a temporary error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posthouse import paths
from posthouse.directory import queries
from posthouse.resources import (
    Blueprint,
    Checker,
    Derived,
    Directory,
    File,
    Package,
    Program,
    Service,
    User,
)
from posthouse.stack import dovecot, filters, tls
from posthouse.stack.daemon import Wanted, drop_in
from posthouse.stack.postfix import main_cf, master_cf, smarthosts
from posthouse.stack.postgresql.client import url
from posthouse.stack.template import origins, render

ETC = Path("/etc/postfix")
MAPS = ETC / "directory"


def _unit(wanted: Wanted) -> str:
    # In Debian 12 postfix.service is a shell that does nothing around this instance.
    return "postfix@-" if wanted.release.debian == 12 else "postfix"


# by dialect: Postfix's kind of map, and what the names of its files begin with. A map of one kind must never read a
# file of the other, even while files are being changed: that is fatal, and the service would not start for a minute.
KINDS = {"sqlite": ("sqlite", ""), "postgresql": ("pgsql", "pgsql-")}
BACK = f"hash:{paths.DIRECTORY_BACK}"


def _watched(wanted: Wanted) -> str:
    """The empty map of `paths.DIRECTORY_BACK`, as each process opens it itself; "" where no database can be lost."""
    return BACK if wanted.server else ""


def _milters(sockets: Sequence[Path]) -> str:
    return ", ".join(f"unix:{socket.relative_to(paths.POSTFIX_SPOOL)}" for socket in sockets)


def _main(wanted: Wanted, names: queries.Names) -> File:
    text = render(
        "postfix/main.cf.j2",
        **wanted.values,
        maps=KINDS[wanted.dialect][0],
        prefix=KINDS[wanted.dialect][1],
        watched=_watched(wanted),
        local_names=names.local,
        deliveries=dovecot.DELIVERIES,
        tls=paths.TLS,
        ciphers=tls.CIPHERS,
        curves=tls.CURVES_POSTFIX,
        # an address that only the agent may have written (posthouse.agent.srs)
        returned=f"{{ /^(SRS[01][=+-].*@{wanted.site.domain.lower().replace('.', chr(92) + '.')})$$/ $$1 }}",
        srs=paths.AGENT_SRS.relative_to(paths.POSTFIX_SPOOL),
        forwarding_milter=_milters((paths.AGENT_FORWARDING,)),
        chain=filters.chosen(wanted.site),
        smarthosts=(relays := smarthosts.of(wanted.site)),
        destinations="|".join(domain.replace(".", "\\.") for domain, _ in relays.by_destination),
        milters=_milters,
        room=paths.AGENT_ROOM.relative_to(paths.POSTFIX_SPOOL),
        agent_milter=_milters((paths.AGENT_MILTER,)),
        tls_policy=paths.AGENT_TLS.relative_to(paths.POSTFIX_SPOOL),
    )
    text = main_cf.merged(text, wanted.overrides)
    return File(ETC / "main.cf", text, origins=main_cf.origins(text))


def _master(wanted: Wanted) -> File:
    text = master_cf.merged(
        render(
            "postfix/master.cf.j2",
            **wanted.values,
            chain=filters.chosen(wanted.site),
            smarthosts=smarthosts.of(wanted.site),
        ),
        wanted.overrides,
    )
    return File(ETC / "master.cf", text, origins=master_cf.origins(text))


def _maps(wanted: Wanted, names: queries.Names) -> tuple[File, ...]:
    dialect = wanted.dialect
    asked = {
        "domains": queries.domains(dialect=dialect),
        "ours": queries.ours(dialect=dialect),
        "mailboxes": queries.mailboxes(dialect=dialect),
        "unaliased": queries.unaliased(dialect=dialect),
        "aliases": queries.aliases(names, dialect=dialect),
        "disabled": queries.disabled(names, dialect=dialect),
    }
    files = []
    for name, query in asked.items():
        text = render(
            "postfix/map.cf.j2",
            **wanted.values,
            url=wanted.server and url(wanted.server, "postfix"),
            database=paths.DIRECTORY_DB,
            query=query,
        )
        path = MAPS / f"{KINDS[dialect][1]}{name}.cf"
        files.append(File(path, text, group="postfix", mode=0o640, origins=origins(text)))
    return tuple(files)


# What Debian's scripts copy to a link that leads nowhere for them is refused by cp(1).
_LINK = ("/bin/ln", "-sfn", "/etc/posthouse-resolv.conf", str(paths.POSTFIX_RESOLV_CONF))


def _resolver(wanted: Wanted) -> File:
    """What Postfix asks from inside its chroot: our unbound alone, since it believes it what DNSSEC says (RFC 7672).

    Also live: the link to it; without it, what Debian would have there.
    """
    path, link = paths.POSTFIX_RESOLVER, paths.POSTFIX_RESOLV_CONF
    away = f"if [ -L {link} ]; then cp --remove-destination /etc/resolv.conf {link}; fi"
    live = f"if [ -e {path} ]; then {' '.join(_LINK)}; else {away}; fi"
    text = render("postfix/resolv.conf.j2", **wanted.values)
    return File(path, text, live=("/bin/sh", "-c", live), origins=origins(text))


# `postfix start-fg` is a shell that waits for master, which leaves its process group: a signal to the shell
# would leave Postfix running without it. So SIGTERM is answered by `postfix stop`, and a Postfix that an
# unclean death left is stopped first. What it checks at its start, and fills the chroot by, is done before, so that
# the link comes after it (the file is the one by which `postfix quick-stop` says the same).
_FOREGROUND = (
    "/usr/sbin/postfix status 2>/dev/null && /usr/sbin/postfix stop; trap 'exit 0' TERM; "
    f"/usr/sbin/postfix check && {' '.join(_LINK)} && touch {paths.POSTFIX_SPOOL}/quick-start; "
    "trap '/usr/sbin/postfix stop' TERM; /usr/sbin/postfix start-fg & wait; wait"
)


def _program(wanted: Wanted) -> Program:
    # Debian 12's unit fills the chroot (resolv.conf) before it starts Postfix; in 13 Postfix does it itself.
    before: tuple[tuple[str, ...], ...] = ()
    if wanted.release.debian == 12:
        before = (("/usr/lib/postfix/configure-instance.sh", "-"),)
    return Program(("/bin/sh", "-c", _FOREGROUND), before=before, stop_seconds=60)


def blueprint(wanted: Wanted) -> Blueprint:
    """What Postfix needs. Raises UsageError for an override that can't be read."""
    names = queries.Names.of(wanted.site)
    relays = smarthosts.of(wanted.site)
    files = (
        _main(wanted, names),
        _master(wanted),
        *_maps(wanted, names),
        _resolver(wanted),
        *drop_in(
            wanted,
            _unit(wanted),
            render(
                "postfix/unit.conf.j2",
                **wanted.values,
                filters=filters.chosen(wanted.site).units,
                link=_LINK,
            ),
        ),
    )
    return Blueprint(
        packages=(
            Package("postfix"),
            Package(f"postfix-{KINDS[wanted.dialect][0]}"),
            *([Package("libsasl2-modules")] if relays.log_in else []),
        ),
        users=(User("postfix", group="postfix", groups=(paths.DIRECTORY_GROUP,), create=False),),
        directories=(
            Directory(MAPS, "root", "postfix", 0o750),
            # Dovecot's sockets go there, and it starts before Postfix makes it by itself.
            Directory(paths.POSTFIX_SPOOL / "private", "postfix", "root", 0o700),
            Directory(paths.POSTFIX_RESOLVER.parent),
            *([Directory(paths.RELAY, mode=0o700)] if relays.log_in else []),
        ),
        files=files,
        derived=(Derived(Path("/etc/aliases.db"), ("/usr/bin/newaliases",), (Path("/etc/aliases"),)),),
        checkers=(
            Checker(
                "postconf",
                ("/usr/sbin/postconf", "-c", "{stage}/etc/postfix", "-M", "-f"),
                refuse=r"^\S*postconf: (?:warning|fatal|error):",
            ),
            Checker(
                "postconf parameters",
                ("/usr/sbin/postconf", "-c", "{stage}/etc/postfix", "-n"),
                # An override may leave a parameter of our own without use.
                refuse=r"^\S*postconf: (?!warning: \S+: unused parameter: posthouse_)(?:warning|fatal|error):",
            ),
        ),
        services=(
            Service(
                "postfix",
                _unit(wanted) + ".service",
                _program(wanted),
                reload=("/usr/sbin/postfix", "reload"),
                reload_on=(ETC, paths.TLS, paths.RELAY),
                ready=("tcp:127.0.0.1:25", "tcp:127.0.0.1:587", "tcp:127.0.0.1:465"),
            ),
        ),
        # They copy the host's resolver into the chroot whenever it changes.
        quiet_units=("postfix-resolvconf.path",),
    )
