"""What becomes of Dovecot's settings."""

from __future__ import annotations

from posthouse.adoption.dovecot import Block, Dovecot
from posthouse.adoption.fate import Becomes, Fate
from posthouse.stack.dovecot import MECHANISMS

_BUILT_IN = {
    "mail_location": "the store as it is", "mail_driver": "the store as it is", "mail_path": "the store as it is",
    "mail_home": "Sieve scripts stand beside the mail", "mail_inbox_path": "the store as it is",
    "mail_privileged_group": "all mail is vmail's",
    "mail_uid": "all mail is vmail's", "mail_gid": "all mail is vmail's",
    "mail_access_groups": "all mail is vmail's", "first_valid_uid": "all mail is vmail's",
    "last_valid_uid": "all mail is vmail's", "first_valid_gid": "all mail is vmail's",
    "auth_mechanisms": "PLAIN and LOGIN, inside TLS", "disable_plaintext_auth": "no login outside TLS",
    "auth_allow_cleartext": "no login outside TLS", "auth_allow_weak_schemes": "see the hashes",
    "auth_username_format": "logins are whole addresses in lower case",
    "protocols": "IMAP, POP3, LMTP, ManageSieve", "postmaster_address": "the site's postmaster",
    "hostname": "the site's host name", "recipient_delimiter": "+", "mail_plugins": "quota and Sieve",
    "sql_driver": "the directory", "ssl": "required", "ssl_cert": "tls.folder", "ssl_key": "tls.folder",
    "ssl_server_cert_file": "tls.folder", "ssl_server_key_file": "tls.folder",
    "ssl_client_ca_dir": "the system's authorities", "ssl_dh": "Mozilla's intermediate TLS",
    "ssl_min_protocol": "Mozilla's intermediate TLS", "ssl_cipher_list": "Mozilla's intermediate TLS",
    "ssl_prefer_server_ciphers": "Mozilla's intermediate TLS", "dovecot_config_version": "Posthouse's own",
    "dovecot_storage_version": "Posthouse's own", "log_path": "the journal", "info_log_path": "the journal",
    "listen": "all addresses", "import_environment": "Debian's own",
}  # fmt: skip
_BLOCKS = {
    "passdb": "the directory", "userdb": "the directory", "pgsql": "the directory", "local_name": "tls.folder",
    "ssl_server": "tls.folder", "protocols": "IMAP, POP3, LMTP, ManageSieve",
}  # fmt: skip
_KNOWN_MAILBOXES = {"Drafts", "Sent", "Sent Messages", "Junk", "Trash", "Archive", "Spam"}
_OFFERED = ("plain", "login", *MECHANISMS)
# Dovecot 2.4.1 refuses these unless it is told otherwise (auth_allow_weak_schemes).
_WEAK = ("PLAIN-MD5", "LDAP-MD5", "SMD5", "MD5", "MD5-CRYPT", "DES-CRYPT")


def fates(dovecot: Dovecot, debian: int, schemes: frozenset[str]) -> tuple[list[Fate], list[str]]:
    """Return what becomes of each setting, and the lines of the override.

    Args:
        dovecot: as found.
        debian: 12 (Dovecot 2.3) or 13 (2.4).
        schemes: of the hashes that are stored.
    """
    found: list[Fate] = []
    lines: list[str] = []
    for name, value in dovecot.whole.settings.items():
        if name in _BUILT_IN and name != "auth_mechanisms":
            found.append(Fate("dovecot", name, "built in", _BUILT_IN[name]))
        elif name == "auth_mechanisms":
            found += _mechanisms(dovecot)
        elif name.startswith("fts_") or value.startswith("#"):
            found.append(Fate("dovecot", name, "dropped", "a default of another version, or not shown"))
        else:
            found.append(Fate("dovecot", name, "an override", "Posthouse has no field for it"))
            lines.append(f"{name} = {value}")
    if debian == 13 and schemes.intersection(_WEAK):
        lines.append("auth_allow_weak_schemes = yes")
        weak = ", ".join(sorted(schemes.intersection(_WEAK)))
        found.append(
            Fate("dovecot", "auth_allow_weak_schemes", "an override", f"hashes of {weak} are stored")
        )
    for block in dovecot.whole.blocks:
        found += _block(block)
    return found, lines


def mechanisms(dovecot: Dovecot) -> list[str]:
    """Return what the old server offered of `auth.mechanisms`: mail programs may have chosen it."""
    return [name for name in MECHANISMS if name in dovecot.mechanisms]


def _mechanisms(dovecot: Dovecot) -> list[Fate]:
    lost = [name for name in dovecot.mechanisms if name not in _OFFERED]
    kept = mechanisms(dovecot)
    becomes: Becomes = "a field" if kept else "built in"
    why = "auth.mechanisms" if kept else _BUILT_IN["auth_mechanisms"]
    return [
        *(Fate("dovecot", f"mechanism {name}", "dropped", "not offered by Posthouse") for name in lost),
        Fate("dovecot", "auth_mechanisms", becomes, why),
    ]


def _block(block: Block) -> list[Fate]:
    name = f"{block.kind} {block.name}".strip()
    if block.kind in _BLOCKS:
        return [Fate("dovecot", name, "built in", _BLOCKS[block.kind])]
    if block.kind == "plugin":
        return [_plugin(key, value) for key, value in block.settings.items()]
    if block.kind == "sieve_script":
        return [_plugin("sieve", block.settings.get("path", ""))]
    if block.kind == "namespace":
        own = [inner.name for inner in block.all("mailbox") if inner.name not in _KNOWN_MAILBOXES]
        return [Fate("dovecot", name, "built in", "Drafts, Sent, Junk, Trash and Archive")] + [
            Fate("dovecot", f"mailbox {mailbox}", "dropped", "the folder stays; only its special settings go")
            for mailbox in own
        ]
    if block.kind in ("service", "protocol"):
        listens = list(block.all("inet_listener"))
        strange = [key for key in block.settings if key not in ("mail_plugins", "user", "mode", "group")]
        if strange:
            why = "Posthouse sizes its own; what you miss belongs into overrides/dovecot/local.conf"
            return [Fate("dovecot", f"{name}/{key}", "dropped", why) for key in strange]
        return [Fate("dovecot", name, "built in", "the usual ports" if listens else "Posthouse's own")]
    return [Fate("dovecot", name, "dropped", "write it into overrides/dovecot/local.conf where you need it")]


def _plugin(name: str, value: str) -> Fate:
    if name in ("sieve", "sieve_default", "sieve_before"):
        why = f"spam is filed in Junk before a user's own script runs; {value} stays where it is, and is not run"
        return Fate("dovecot", f"plugin {name}", "dropped", why)
    return Fate(
        "dovecot", f"plugin {name}", "dropped", "write it into overrides/dovecot/local.conf where you need it"
    )
