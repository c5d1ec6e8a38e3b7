"""What was found, said anew: site file, overrides, keys, grants and rows, and what becomes of every setting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from posthouse.adoption import aliases, dovecot_conf, main_cf, master_cf, opendkim, rows, store
from posthouse.adoption.fate import Fate
from posthouse.adoption.look import Found
from posthouse.directory import addresses
from posthouse.dkim import keys as dkim
from posthouse.errors import PosthouseError, UsageError
from posthouse.site import names
from posthouse.site.write import new_file
from posthouse.stack.postfix.master_cf import Service
from posthouse.tls import pair

_LEAST_SIZE = 1_048_576  # of limits.message_size


@dataclass(frozen=True)
class Adoption:
    """Everything that taking over means. With `problems` nothing can be done; `notes` are good to know.

    `grants`: (address, login). `overrides`: by path below the overrides' folder.
    """

    domain: str
    hostname: str
    postmaster: str
    site: str
    overrides: Mapping[str, str]
    database: str
    rows: rows.Rows
    grants: tuple[tuple[str, str], ...]
    keys: tuple[opendkim.Key, ...]
    fates: tuple[Fate, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def translate(
    found: Found,
    domain: str,
    ours: Sequence[Service],
    debian: int,
    *,
    hostname: str | None = None,
    account: str | None = None,
    public: Sequence[str | None] = (None, None),
    never_ban: Sequence[str] = (),
) -> Adoption:
    """Say the old server anew. Pure but for reading the files that its configuration names.

    Args:
        found: from `look`.
        domain: the main domain that the operator named.
        ours: the services of our own master.cf, for those that are carried as they are.
        debian: 12 or 13.
        hostname: this host's name, where the operator says it; else Postfix's.
        account: the postmaster's mailbox, where the operator says it.
        public: IPv4 and IPv6 address.
        never_ban: addresses and networks that are never banned.
    """
    notes: list[str] = []
    problems = list(found.problems)
    directory = rows.normal(found.rows, found.dovecot.default_scheme, domain) if found.rows else rows.Rows()
    problems += [*directory.problems, *store.problems(found.root, found.postfix, found.dovecot, directory)]
    problems += _strangers(found, directory, domain)
    name = _hostname(found, domain, hostname, problems)
    postmaster = _postmaster(found, directory, domain, account, problems, notes)
    services = master_cf.carried(found.postfix, ours)
    fates, parameters = main_cf.fates(found.postfix, found.parameters, services.names)
    parameters |= services.parameters
    imap, lines = dovecot_conf.fates(found.dovecot, debian, _schemes(directory))
    texts = {
        "postfix/main.cf": main_cf.text(parameters),
        "postfix/master.cf": "".join(line + "\n" for line in services.lines),
        "dovecot/local.conf": "".join(line + "\n" for line in lines),
    }
    grants, lost = _grants(found, directory, domain)
    fates += [*services.fates, *imap, *lost, *_others(found)]
    folder = _certificate(found, name, notes)
    keys = _keys(found, directory, problems, notes)
    tables = []
    if mechanisms := dovecot_conf.mechanisms(found.dovecot):
        why = "beside PLAIN and LOGIN: mail programs may have chosen it"
        tables.append(f"[auth]\n# {why}\nmechanisms = {json.dumps(mechanisms)}\n")
    if folder:
        tables.append(f"[tls]\n# certbot's: the daemons read it there\nfolder = {json.dumps(folder)}\n")
    if found.units:
        units = ",\n".join(f"    {json.dumps(unit)}" for unit in found.units)
        tables.append(f"[earlier]\n# of the server that was here before\nquiet_units = [\n{units},\n]\n")
    ipv4, ipv6 = public
    site = new_file(
        domain,
        name,
        postmaster,
        ipv4,
        ipv6,
        "postgresql",
        message_size=_size(found),
        never=never_ban,
        tables="\n".join(tables),
    )
    return Adoption(
        domain, name, postmaster, site, {path: text for path, text in texts.items() if text},
        found.place.name if found.place else "", directory, grants, keys, tuple(fates), tuple(notes),
        tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _strangers(found: Found, directory: rows.Rows, domain: str) -> list[str]:
    """Return what this server does that Posthouse would not go on doing."""
    problems = []
    if found.rows and domain not in directory.domains:
        served = ", ".join(directory.domains) or "none"
        problems.append(f"{domain} is not among the mail domains of this server ({served}); name one of them")
    local = found.postfix.value("mydestination").replace(",", " ").split()
    mail = [name for name in local if name in directory.domains or name == domain]
    problems += [
        f"main.cf: mydestination names the mail domain {name}, so its mail goes to Unix users; it can only go to"
        " accounts: take it out of mydestination first"
        for name in mail
    ]
    for parameter in ("relay_domains",):
        value = found.postfix.value(parameter)
        if value and value != "$mydestination":
            problems.append(f"main.cf: {parameter} = {value}: mail for other servers' domains is not relayed")
    unix = [driver for driver in found.dovecot.passdbs if driver != "sql"]
    problems += [
        f"Dovecot also asks the passdb {driver}; only logins of the database are taken over. Take it out first, or"
        " those who need it have no login afterwards."
        for driver in unix
        if driver not in ("pam", "static")
    ]
    return problems


def _hostname(found: Found, domain: str, hostname: str | None, problems: list[str]) -> str:
    name = hostname or found.postfix.value("myhostname")
    try:
        name = names.host_name(name)
    except ValueError as error:
        problems.append(f"main.cf: myhostname: {error}; say --hostname NAME")
    if name == domain:
        problems.append(f"the host's name is the mail domain {domain} itself; say --hostname mail.{domain}")
    return name


def _postmaster(
    found: Found,
    directory: rows.Rows,
    domain: str,
    account: str | None,
    problems: list[str],
    notes: list[str],
) -> str:
    """Return the mailbox that gets the postmaster's mail: who was told to, who gets it now, or the first one."""
    if account is not None:
        if account not in directory.accounts:
            problems.append(f"--account: {account} is not an account of this server")
        return account
    known = dict(reversed(directory.aliases))
    wishes = [f"postmaster@{domain}", f"root@{domain}", found.unix_aliases.get("postmaster", ""),
              found.unix_aliases.get("root", "")]  # fmt: skip
    for wish in wishes:
        for _ in range(8):  # aliases of aliases
            wish = known.get(wish, wish)
        if wish in directory.accounts:
            return wish
    here = sorted(addresses.split(name) for name in directory.accounts if name.endswith(f"@{domain}"))
    first = "@".join(here[0]) if here else ""
    if not first:
        problems.append(f"there is no account at {domain} to take the postmaster's mail")
        return f"postmaster@{domain}"
    notes.append(f"Nobody gets the postmaster's mail now; {first} will. --account NAME names somebody else.")
    return first


def _schemes(directory: rows.Rows) -> frozenset[str]:
    found = {user.password for user in directory.users if user.password}
    return frozenset(
        password[1:].partition("}")[0].upper() if password.startswith("{") else "CRYPT" for password in found
    )


def _grants(
    found: Found, directory: rows.Rows, domain: str
) -> tuple[tuple[tuple[str, str], ...], list[Fate]]:
    grants: dict[tuple[str, str], None] = {}
    lost = []
    for kind, place in found.postfix.tables("smtpd_sender_login_maps"):
        if kind == "pgsql":
            continue  # asks the tables that are taken over
        for address, login in aliases.senders(found.root, place, domain):
            why = _no_grant(address, login, directory)
            if why:
                lost.append(Fate("sender map", f"{address} {login}", "dropped", why))
            elif address != login:
                grants[address, login] = None
    return tuple(grants), lost


def _no_grant(address: str, login: str, directory: rows.Rows) -> str:
    """Return why a line of the sender map can be no grant; empty where it can."""
    if login not in directory.accounts:
        return "there is no such login"
    if addresses.split(address)[1] not in directory.domains:
        return "its domain is not ours, and only addresses of ours can be sent from"
    try:
        addresses.alias(address)
    except UsageError as error:
        return error.message
    return ""


def _certificate(found: Found, hostname: str, notes: list[str]) -> str | None:
    folder = found.certificate
    if folder is None:
        notes.append(
            "The certificate is not laid out as certbot does (fullchain.pem and privkey.pem in one folder):"
            " a self-signed one takes its place until tls.folder names such a folder."
        )
        return None
    try:
        place = found.root / folder.lstrip("/")
        known = pair.load(place / pair.CHAIN, place / pair.KEY).names
    except PosthouseError as error:
        notes.append(f"{error.message}: a self-signed certificate takes its place.")
        return None
    if hostname not in known:
        notes.append(
            f"The certificate in {folder} is for {', '.join(known) or 'no name'}, not for {hostname}."
        )
    return folder


def _keys(
    found: Found, directory: rows.Rows, problems: list[str], notes: list[str]
) -> tuple[opendkim.Key, ...]:
    notes += [f"{opendkim.CONFIG}: {line}" for line in found.signing.strange]
    keys = []
    for key in found.signing.keys:
        if key.domain not in directory.domains:
            notes.append(f"The DKIM key of {key.domain} stays where it is: that is no mail domain of ours.")
        elif not (found.root / str(key.path).lstrip("/")).is_file():
            problems.append(f"{key.path}: the DKIM key of {key.domain} is not there")
        else:
            try:
                dkim.public_record((found.root / str(key.path).lstrip("/")).read_bytes(), key.path)
                keys.append(key)
            except PosthouseError as error:
                problems.append(error.message)
    return tuple(keys)


def _size(found: Found) -> int | None:
    value = found.postfix.value("message_size_limit")
    return max(int(value), _LEAST_SIZE) if value.isdigit() and int(value) else None


def _others(found: Found) -> list[Fate]:
    """Return what becomes of the programs around Postfix and Dovecot."""
    fates = []
    for name, value in opendkim.settings(found.root).items():
        why = "selector and key are taken over" if name in ("keytable", "signingtable") else "Rspamd signs"
        fates.append(Fate("opendkim.conf", name, "built in", f"{why} (was {value})"))
    spam = found.root / "etc/spamassassin/local.cf"
    if spam.exists():
        lines = [line.strip() for line in spam.read_text(errors="replace").splitlines()]
        fates += [
            Fate("spamassassin/local.cf", line, "dropped", "Rspamd judges; see [spam] in the site file")
            for line in lines
            if line and not line.startswith("#")
        ]
    fates += [
        Fate("/etc/aliases", name, "kept", f"mail to {name} of this machine goes to {value}")
        for name, value in found.unix_aliases.items()
    ]
    for path, why in _KEPT.items():
        if (found.root / path).exists():
            fates.append(Fate("file", f"/{path}", "kept", why))
    return fates


_KEPT: Mapping[str, str] = {
    str(Path("etc/mailutils.conf")): "mail(1) reads it",
    str(Path("etc/mailname")): "other programs read it",
    str(Path("etc/iptables/rules.v4")): "the firewall is left alone",
    str(Path("etc/unbound/unbound.conf.d")): "unbound reads it beside Posthouse's file",
}
