"""What becomes of each parameter of the old main.cf (postconf(5))."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from posthouse.adoption.fate import Fate
from posthouse.adoption.postfix import Postfix

FIELDS = {"myhostname": "hostname", "mydomain": "domain", "message_size_limit": "limits.message_size"}

_DIRECTORY = "accounts, domains and aliases are asked of the directory"
_STORE = "Dovecot delivers into the store, by LMTP"
_LOGIN = "Dovecot knows the logins; they are offered on the submission ports, inside TLS"
_MILTER = "the agent checks and Rspamd signs and filters; one that is down means try again later"
_TLS = "tls.folder, and Mozilla's intermediate TLS"
_OWNED = "the agent asks the directory who may send as whom; the map's lines become grants"
_RELAY = "relaying needs a login, an unknown recipient is refused, Rspamd checks SPF and block lists"
_ALIASES = "/etc/aliases stays, and is read"
_BUILT_IN = {
    **dict.fromkeys(
        ("transport_maps", "virtual_maps", "virtual_alias_maps", "virtual_mailbox_maps", "virtual_mailbox_domains",
         "virtual_alias_domains", "local_recipient_maps", "proxy_read_maps"), _DIRECTORY),
    **dict.fromkeys(
        ("virtual_uid_maps", "virtual_gid_maps", "virtual_mailbox_base", "virtual_minimum_uid", "virtual_transport",
         "local_transport", "mailbox_transport", "mailbox_command", "home_mailbox", "mailbox_size_limit",
         "virtual_mailbox_limit", "dovecot_destination_recipient_limit"), _STORE),
    **dict.fromkeys(
        ("smtpd_sasl_type", "smtpd_sasl_path", "smtpd_sasl_auth_enable", "broken_sasl_auth_clients",
         "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options", "smtpd_sasl_local_domain",
         "smtpd_sasl_authenticated_header", "cyrus_sasl_config_path", "smtpd_tls_auth_only"), _LOGIN),
    **dict.fromkeys(
        ("smtpd_milters", "non_smtpd_milters", "milter_default_action", "milter_protocol",
         "milter_macro_daemon_name", "content_filter"), _MILTER),
    **dict.fromkeys(
        ("smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_chain_files", "smtpd_use_tls", "smtp_use_tls",
         "smtpd_tls_security_level", "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols", "smtpd_tls_ciphers",
         "smtpd_tls_mandatory_ciphers", "smtp_tls_protocols", "smtp_tls_mandatory_protocols", "smtp_tls_ciphers",
         "smtp_tls_mandatory_ciphers", "smtpd_tls_session_cache_database", "smtp_tls_session_cache_database",
         "smtpd_tls_received_header", "smtpd_tls_loglevel", "smtp_tls_loglevel", "smtp_tls_CAfile",
         "smtp_tls_CApath", "tls_medium_cipherlist", "tls_preempt_cipherlist", "smtpd_tls_dh1024_param_file",
         "smtpd_tls_eecdh_grade"), _TLS),
    **dict.fromkeys(("smtpd_sender_login_maps", "smtpd_reject_unlisted_sender"), _OWNED),
    **dict.fromkeys(
        ("smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_sender_restrictions",
         "smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_data_restrictions", "smtpd_helo_required",
         "smtpd_end_of_data_restrictions", "smtpd_delay_reject", "smtpd_reject_unlisted_recipient",
         "smtpd_forbid_bare_newline", "smtpd_forbid_unauth_pipelining", "smtpd_restriction_classes",
         "allow_percent_hack", "swap_bangpath", "disable_vrfy_command", "strict_rfc821_envelopes"), _RELAY),
    **dict.fromkeys(("alias_maps", "alias_database"), _ALIASES),
    **dict.fromkeys(("mydestination", "myorigin", "recipient_delimiter", "append_dot_mydomain"), "the same"),
    **dict.fromkeys(("biff", "readme_directory", "html_directory", "compatibility_level", "smtpd_banner"),
                    "Posthouse's own, or the default"),
}  # fmt: skip
_DROPPED = {
    "mynetworks": "no network is trusted: relaying needs a login, also from this machine",
    "mynetworks_style": "no network is trusted: relaying needs a login, also from this machine",
    "smtputf8_enable": "SMTPUTF8 is offered, and Dovecot gets such mail without it",
}
_RELAYED = (
    "smtp_sasl_auth_enable",
    "smtp_sasl_password_maps",
    "smtp_sasl_security_options",
    "smtp_sasl_mechanism_filter",
)
# What only repeats Postfix's own default.
_DEFAULTS = {
    "relayhost": "",
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "smtp_tls_security_level": "may",
}
_PLAIN = re.compile(r"[\x20-\x7e\t\n]*")


def fates(
    postfix: Postfix, known: Collection[str], services: Collection[str]
) -> tuple[list[Fate], dict[str, str]]:
    """Return what becomes of every parameter, and those that become overrides.

    Args:
        postfix: as found.
        known: the parameters that this Postfix has; empty: not known.
        services: names of services that are carried: parameters named after them are theirs.
    """
    found: list[Fate] = []
    carried: dict[str, str] = {}
    relayed = bool(postfix.value("relayhost") or postfix.value("sender_dependent_relayhost_maps"))
    for name, value in postfix.parameters.items():
        fate = _fate(name, postfix, relayed, known, services)
        found.append(fate)
        if fate.becomes == "an override":
            carried[name] = value
    _add_named(postfix, carried, found)
    return found, carried


def _fate(
    name: str, postfix: Postfix, relayed: bool, known: Collection[str], services: Collection[str]
) -> Fate:
    value = postfix.value(name)
    if name in FIELDS:
        return Fate("main.cf", name, "a field", FIELDS[name])
    if name in _DROPPED:
        return Fate("main.cf", name, "dropped", _DROPPED[name])
    if name in _RELAYED and not relayed:
        why = "there is no relay to log in to; it would show passwords of ours to other servers"
        return Fate("main.cf", name, "dropped", why)
    if name in _BUILT_IN:
        return Fate("main.cf", name, "built in", _BUILT_IN[name])
    if _DEFAULTS.get(name) == value:
        return Fate("main.cf", name, "built in", "the default")
    if not _PLAIN.fullmatch(postfix.parameters[name]):
        return Fate("main.cf", name, "dropped", "its value holds more than plain text")
    theirs = _OF_SERVICE.fullmatch(name)
    own = theirs is not None and theirs["service"] in {service.name for service in postfix.services} - {
        "smtp"
    }
    if (own or (known and name not in known)) and not _is_of(name, services):
        return Fate(
            "main.cf", name, "dropped", "Postfix has no such parameter, or its service is not carried"
        )
    return Fate("main.cf", name, "an override", "Posthouse has no field for it")


# A parameter that a transport of master.cf has for itself (postconf(5): TRANSPORT_time_limit and its like).
_OF_SERVICE = re.compile(
    r"(?P<service>.+?)_(time_limit|destination_\w+|delivery_slot_\w+|initial_destination_\w+|\w*recipient_limit)"
)


def _is_of(name: str, services: Collection[str]) -> bool:
    """Tell whether a parameter is one of a transport: NAME_destination_recipient_limit and so on."""
    return any(name.startswith(f"{service}_") for service in services)


def _add_named(postfix: Postfix, carried: dict[str, str], found: list[Fate]) -> None:
    """Carry the operator's own variables too, where a carried value names them."""
    by_name = {fate.name: index for index, fate in enumerate(found)}
    for value in list(carried.values()):
        for name in re.findall(r"\$[{(]?([A-Za-z0-9_]+)", value):
            if name in by_name and found[by_name[name]].why.startswith("Postfix has no such"):
                carried[name] = postfix.parameters[name]
                found[by_name[name]] = Fate("main.cf", name, "an override", "another override names it")


def text(carried: Mapping[str, str]) -> str:
    """Return the override file."""
    lines = []
    for name, value in carried.items():
        first, *rest = value.split("\n")
        lines += [f"{name} = {first}".rstrip(), *rest]
    return "".join(line + "\n" for line in lines)
