"""What becomes of each service of the old master.cf (master(5)).

Mail that waits in the queue may name a content filter of the old server, and Postfix hands it to the service of
that name and no other: such a service lives on, as a way to Dovecot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posthouse.adoption.fate import Fate
from posthouse.adoption.postfix import Postfix, options, program
from posthouse.stack.postfix.master_cf import Service

_PORTS = {"25": "smtp", "587": "submission", "465": "submissions", "smtps": "submissions"}
_OURS = ("smtp", "submission", "submissions")
# Postfix's own services, which are ours too; of these a client may have been set up otherwise.
_STOCK = {
    "pickup", "cleanup", "qmgr", "tlsmgr", "rewrite", "bounce", "defer", "trace", "verify", "flush", "proxymap",
    "proxywrite", "showq", "error", "retry", "discard", "local", "virtual", "anvil", "scache", "postlog", "tlsproxy",
    "dnsblog", "postscreen",
}  # fmt: skip
_CLIENTS = {"smtp", "relay", "lmtp"}
# Gateways that Debian's master.cf once named, to programs that nobody has.
_LEGACY = {"maildrop", "uucp", "ifmail", "bsmtp", "scalemail-backend", "mailman"}


@dataclass(frozen=True)
class Carried:
    """The services that become overrides, as lines, and the parameters that they need in main.cf."""

    fates: tuple[Fate, ...]
    lines: tuple[str, ...]
    parameters: dict[str, str]
    names: tuple[str, ...]


def carried(postfix: Postfix, ours: Sequence[Service]) -> Carried:
    """Return what becomes of every service; `ours` are those of our own master.cf."""
    fates: list[Fate] = []
    lines: list[str] = []
    names: list[str] = []
    filters = _filters(postfix)
    parameters: dict[str, str] = {}
    for service in postfix.services:
        where = f"{service.name}/{service.type}"
        new, why = _lines(service, ours, filters)
        if service.name in filters and not filters[service.name]:
            parameters["default_filter_nexthop"] = "unix:private/dovecot-lmtp"
        if new:
            lines += new
            names.append(service.name)
            fates.append(Fate("master.cf", where, "an override", why))
        else:
            fates.append(Fate("master.cf", where, "built in" if _is_ours(service) else "dropped", why))
    return Carried(tuple(fates), tuple(lines), parameters, tuple(names))


def _lines(service: Service, ours: Sequence[Service], filters: dict[str, str]) -> tuple[list[str], str]:
    """Return a service's lines as an override, or none, and why."""
    name = _PORTS.get(service.name.rpartition(":")[2], service.name)
    runs = program(service)
    if service.type == "inet" and runs == "smtpd" and name not in _OURS:
        given = options(service)
        model = "smtp"
        if given.get("smtpd_sasl_auth_enable") == "yes":
            model = "submissions" if given.get("smtpd_tls_wrappermode") == "yes" else "submission"
        return _like(service.name, model, ours), f"as {model}, with its checks"
    if service.type == "inet" and (name in _OURS or runs == "postscreen"):
        return [], "the same port; its options are Posthouse's own"
    if service.name in filters:
        if filters[service.name]:
            return list(service.lines), "mail in the queue may name it"
        line = f"{service.name} unix - - y - - lmtp"
        return [line], "mail in the queue names it: to Dovecot from now on; new mail is filtered by Rspamd"
    if service.name in _STOCK or (service.name in _CLIENTS and not set(options(service)) - {"syslog_name"}):
        return [], "Postfix's own"
    if service.name in _LEGACY:
        return [], "a gateway that nothing leads to"
    if runs in ("cleanup", "spawn", "pickup", "qmgr", "smtpd"):
        return [], "only services of the old server used it"
    if runs == "pipe" and re.search(r"dovecot|deliver|spamc|maildrop|procmail", " ".join(service.lines)):
        return [], "Dovecot delivers by LMTP, and Rspamd filters"
    return list(service.lines), "Posthouse has no such service"


def _is_ours(service: Service) -> bool:
    name = _PORTS.get(service.name.rpartition(":")[2], service.name)
    return name in _OURS or service.name in _STOCK or service.name in _CLIENTS


def _filters(postfix: Postfix) -> dict[str, str]:
    """Return the content filters that queued mail may name, each with the next hop that it names too."""
    named = [postfix.value("content_filter")]
    named += [options(service).get("content_filter", "") for service in postfix.services]
    pairs: Iterable[tuple[str, str, str]] = (name.partition(":") for name in named if name)
    return {name: hop for name, _, hop in pairs}


def _like(name: str, model: str, ours: Sequence[Service]) -> list[str]:
    """Return our own service of the kind `model`, under another name."""
    service = next(service for service in ours if service.key == (model, "inet"))
    first = f"{name} {service.lines[0].split(None, 1)[1]}"
    said = name.replace(":", "-").strip("[]")
    return [first, *(line.replace(f"=postfix/{model}", f"=postfix/{said}") for line in service.lines[1:])]
