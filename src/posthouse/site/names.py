"""Names that operators write: mail domains, host names, addresses, sizes. Checked, and told how to mend.

Every function returns the canonical form (lower case, A-labels) or raises ValueError with a message
that says what was found and what to write instead.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

# RFC 1035 section 2.3.4 and RFC 1123 section 2.1: letters, digits and hyphens, 63 octets a label, 253 in all.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# IDNA 2003 (which Python's own codec knows) and IDNA 2008 disagree on these four: RFC 5894 section 7.2.
_DEVIATIONS = "ßς\u200c\u200d"
# Of RFC 5321's Dot-string (section 4.1.2) what no daemon's file, shell or SQL reads as its own: all that an alias of
# the directory may lead to.
_LOCAL_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+=&~-]*(\.[A-Za-z0-9_+=&~-]+)*")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,62}")  # a PostgreSQL identifier that needs no quotes in a URL
_SIZE = re.compile(r"(\d{1,15})\s*([kKmMgGtT])?(i?)([bB])?")


def dns_name(text: str, what: str = "domain") -> str:
    """Return a fully qualified DNS name in lower-case A-labels, without the final dot."""
    mend = _mended(text)
    if mend is not None:
        raise ValueError(f"{mend[0]}; write {mend[1]!r}" if mend[1] else mend[0])
    name = _a_labels(text)
    labels = name.split(".")
    if len(labels) < 2:
        example = f"{name}.example.org" if what == "host name" else f"{name}.example"
        raise ValueError(f"{text!r} has no dot: expected a full {what}, such as {example!r}")
    if len(name) > 253:
        raise ValueError(f"it is {len(name)} characters long; a {what} has at most 253 (RFC 1035)")
    for label in labels:
        if not label:
            raise ValueError(f"{text!r} has two dots in a row, or begins with a dot")
        if len(label) > 63:
            raise ValueError(
                f"the part {label[:20]!r}... is {len(label)} characters long; at most 63 (RFC 1035)"
            )
        if not _LABEL.fullmatch(label):
            raise ValueError(
                f"the part {label!r} is not letters, digits and inner hyphens, as a {what} must be (RFC 1123)"
            )
    if labels[-1].isdigit():
        raise ValueError(f"{text!r} ends in a number: an IP address is not a {what}")
    return name


def key_name(text: str) -> str:
    """Return the name of a TSIG key: a domain name, of one label too, which is in no DNS (RFC 8945 section 4.2)."""
    name = text.lower().rstrip(".")
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]{0,250}[a-z0-9_])?", name) or ".." in name:
        raise ValueError(
            f"{text!r} is not the name of a key: expected letters, digits, hyphens and dots, such as 'posthouse'"
        )
    return name


def provider_class(text: str) -> str:
    """Return the name of an octoDNS provider: its module and class."""
    if not re.fullmatch(r"octodns_[a-z0-9_]{1,40}\.[A-Za-z][A-Za-z0-9]{0,60}", text):
        raise ValueError(
            f"{text!r} is not octoDNS's class for a provider: expected such as 'octodns_hetzner.HetznerProvider'"
        )
    return text


def setting(text: str) -> str:
    """Return the name of a setting of an octoDNS module, as Python has names."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text):
        raise ValueError(
            f"{text!r} is not the name of a setting: expected small letters, digits and underscores"
        )
    return text


def open_setting(text: str) -> str:
    """Return the name of a setting that everybody may read: the site file is no place for a secret."""
    if re.search(r"token|secret|passw|api_?key|consumer_key|private", setting(text)):
        raise ValueError(f"{text} is a secret: write it into a file for root only, and name that in secrets")
    return text


def host_name(text: str) -> str:
    """Return a host name: a DNS name that an MX record can point to."""
    return dns_name(text, "host name")


def address(text: str) -> str:
    """Return a mail address `local-part@domain`: the domain canonical, the local part in lower case."""
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise ValueError(f"{text!r} is not an address: expected name@domain")
    return f"{local_part(local)}@{dns_name(domain)}"


def local_part(text: str) -> str:
    """Return the part of an address before the @, in lower case. At most 64 octets (RFC 5321 4.5.3.1.1)."""
    if not _LOCAL_PART.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand before the @: letters, digits and . _ + = & ~ - alone")
    if len(text) > 64:
        raise ValueError(f"the part before the @ is {len(text)} characters long; at most 64 (RFC 5321)")
    return text.lower()


def ipv4(text: str) -> str:
    """Return an IPv4 address in its usual form."""
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 address ({error})") from error


def ipv6(text: str) -> str:
    """Return an IPv6 address in its shortest form."""
    try:
        return str(IPv6Address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv6 address ({error})") from error


def ip(text: str) -> str:
    """Return an IPv4 or IPv6 address in its usual form."""
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address") from error


def network(text: str) -> str:
    """Return an IPv4 or IPv6 address or network (192.0.2.0/24) in its usual form."""
    try:
        found = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address or network ({error})") from error
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def failure_options(text: str) -> str:
    """Return the options of DMARC's tag fo (RFC 7489 section 6.3)."""
    options = text.split(":")
    if not set(options) <= {"0", "1", "d", "s"} or len(set(options)) != len(options):
        raise ValueError(f"{text!r}: write one or more of 0, 1, d and s, joined by colons, such as 1:d:s")
    return text


def database_url(text: str) -> str:
    """Return the URL of a PostgreSQL database, postgresql://ROLE@HOST:PORT/DATABASE, with all four parts."""
    form = "write postgresql://ROLE@HOST:5432/DATABASE"
    try:
        parts = urlsplit(text)
        port = parts.port or 5432
    except ValueError as error:
        raise ValueError(
            f"it is not a URL ({error}); {form}"
        ) from error  # not repeated: it may hold a secret
    if parts.password is not None:
        # the text holds a secret: it is not repeated
        raise ValueError("it holds a password: write that into the file that password_file names, not here")
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
        raise ValueError(f"{text!r} is not the URL of a PostgreSQL server; {form}")
    if parts.query or parts.fragment:
        raise ValueError(f"{text!r} holds settings; {form}: TLS is always used and checked")
    role, database = parts.username or "", parts.path.removeprefix("/")
    for what, name in (("role", role), ("database", database)):
        if not _PLAIN_NAME.fullmatch(name):
            raise ValueError(f"{text!r}: expected a plain name as {what}, found {name!r}; {form}")
    if role in ("postfix", "dovecot", "mailreader", "mailwriter"):
        raise ValueError(f"{text!r}: the role {role} is one that Posthouse makes; give it one of its own")
    return f"postgresql://{role}@{host_name(parts.hostname)}:{port}/{database}"


def https_url(text: str) -> str:
    """Return the URL of an ACME directory: HTTPS (RFC 8555 section 6.1), without a login, a query or a blank."""
    form = "write https://HOST/PATH"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not a URL ({error}); {form}") from error
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not the URL of an ACME directory; {form}")
    if not re.fullmatch(r"(/[A-Za-z0-9._~%-]*)*", parts.path):
        raise ValueError(f"{text!r} holds a character that no URL of an ACME directory has; {form}")
    return f"https://{host_name(parts.hostname)}{f':{port}' if port else ''}{parts.path}"


def absolute_path(text: str) -> str:
    """Return the absolute path of a file."""
    if not text.startswith("/") or text.endswith("/") or not text.isprintable() or ".." in text.split("/"):
        raise ValueError(f"{text!r} is not the full path of a file, such as '/etc/posthouse/password'")
    return text


def region(text: str) -> str:
    """Return the name of a cloud's region, a label of a host name."""
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}", text):
        raise ValueError(f"{text!r} is not a region: expected such as 'eu-west-1'")
    return text


def label(text: str) -> str:
    """Return one label of a host name, in lower case."""
    if not _LABEL.fullmatch(text.lower()):
        raise ValueError(f"{text!r} is not letters, digits and inner hyphens, 63 at most")
    return text.lower()


def record_name(text: str) -> str:
    """Return the name of a DNS record, in lower case, without a dot at its end; labels may begin with _ (RFC 8552)."""
    name = text.lower().rstrip(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(part.removeprefix("_")) for part in name.split(".")):
        raise ValueError(f"{text!r} is not the name of a DNS record, such as 's1._domainkey'")
    return name


def relay_login(text: str) -> str:
    """Return a name to log in with at a smart host. Postfix ends it at a colon (smtp_sasl_password_maps)."""
    if not text or ":" in text or not text.isprintable() or text != text.strip():
        raise ValueError(f"{text!r} cannot be a login: one line, no colon, no space at its ends")
    return text


def spf_mechanism(text: str) -> str:
    """Return mechanisms of an SPF record that pass (RFC 7208 section 5), one or more."""
    for term in text.split(" "):
        if not re.fullmatch(r"(include:|a:|mx:|ip4:|ip6:|exists:)[!-~]+", term):
            raise ValueError(
                f"{term!r} is not include:, a:, mx:, ip4:, ip6: or exists: with a name behind it"
            )
    return text


def size(value: int | str) -> int:
    """Return bytes, from a number or a text such as "50 MiB", "50M" (both binary) or "50 MB" (decimal)."""
    if isinstance(value, int):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise ValueError(f'{value!r} is not a size: write a number of bytes, or "50 MiB", "2 GiB"')
    number, unit, binary, byte = found.groups()
    if binary and not unit:
        raise ValueError(f'{value!r} is not a size: write a number of bytes, or "50 MiB", "2 GiB"')
    base = 1000 if byte and not binary else 1024
    power = " kmgt".index(unit.lower()) if unit else 0
    return int(number) * int(base**power)


def folder(text: str) -> str:
    """Return the absolute path of a folder, without a slash at its end."""
    if not re.fullmatch(r"(/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+/?", text):
        raise ValueError(f"{text!r} is not a folder's absolute path of letters, digits and . _ @ + -")
    return text.rstrip("/")


def unit(text: str) -> str:
    """Return the name of a systemd service (systemd.unit(5))."""
    if not re.fullmatch(r"[A-Za-z0-9_@:.-]{1,200}\.service", text):
        raise ValueError(f"{text!r} is not a unit: write NAME.service, as `systemctl` shows it")
    return text


def _mended(text: str) -> tuple[str, str] | None:
    """Return what is wrong at first sight, with the text that was probably meant ("" where unknown)."""
    bare = text.strip()
    if not bare:
        return "it is empty", ""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", bare)
    if scheme:
        return f"{text!r} is a URL, not a name", re.split(r"[/:?#]", bare[scheme.end() :])[0]
    if "@" in bare:
        return f"{text!r} is an address, not a name", bare.rpartition("@")[2]
    if bare != text:
        return f"{text!r} has a space at its end or beginning", bare
    if any(c.isspace() or not c.isprintable() for c in text.translate({0x200C: None, 0x200D: None})):
        return f"{text!r} holds a space or a control character", ""
    if "/" in text:
        return f"{text!r} is a path, not a name", text.split("/")[0]
    if re.search(r":\d+$", text):
        return f"{text!r} holds a port", text.rpartition(":")[0]
    if "_" in text:
        return f"{text!r} holds an underscore, which no host or mail domain may (RFC 1123)", ""
    if text.endswith(".") and text.strip("."):
        return f"{text!r} ends in a dot", text.rstrip(".")
    return None


def _a_labels(text: str) -> str:
    if text.isascii():
        return text.lower()
    clash = [c for c in _DEVIATIONS if c in text]
    if clash:
        raise ValueError(
            f"{text!r} holds {clash[0]!r}, which the two IDNA standards encode differently;"
            " write the name in its encoded form (xn--...), as your registrar shows it"
        )
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError(f"{text!r} cannot be encoded as an internationalized name ({error})") from error
