"""Addresses as the directory takes them: lower case, plain, and safe as a path and in SQL.

Narrower than RFC 5321 allows, on purpose: no quoted local parts, and none of the signs that mail programs
read as routes, quotes or commands (% ! ' " | / and so on). Every function returns the normal form, or raises
UsageError with what was found and what to write instead. The schema's CHECKs say the same in SQL.
"""

from __future__ import annotations

import re

from posthouse.errors import UsageError

_ACCOUNT = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_ALIAS = re.compile(r"[a-z0-9_][a-z0-9_+-]*(\.[a-z0-9_+-]+)*")
_TARGET = re.compile(r"[a-z0-9_][a-z0-9_+=&~-]*(\.[a-z0-9_+=&~-]+)*")
_LONGEST = 64, 254  # RFC 5321 section 4.5.3.1.1, and 4.5.3.1.3 without the angle brackets


def domain(text: str) -> str:
    """Return a mail domain in lower case; a name in other letters as its A-label (RFC 5890)."""
    from posthouse.site import names

    try:
        name = names.dns_name(text)
    except ValueError as error:
        raise UsageError(f"domain: {error}", "Write the bare name, such as snorl.ax.") from error
    if name.startswith("localhost.") or name.endswith(".localhost"):
        raise UsageError(
            f"domain: {text!r} means this machine itself", "Write the bare name, such as snorl.ax."
        )
    return name


def account(text: str) -> str:
    """Return the address of an account."""
    return _address(text, _ACCOUNT, "letters, digits and . _ - (a plus-address belongs to its account)")


def alias(text: str) -> str:
    """Return the address of an alias, or "@domain" for a catch-all."""
    if text.startswith("@"):
        return "@" + domain(text[1:])
    return _address(text, _ALIAS, "letters, digits and . _ + -")


def target(text: str) -> str:
    """Return the address that an alias leads to, here or elsewhere."""
    return _address(text, _TARGET, "letters, digits and . _ + = & ~ -")


def split(address: str) -> tuple[str, str]:
    """Return local part and domain of a normal address."""
    local, _, name = address.rpartition("@")
    return local, name


def base(address: str) -> str:
    """Return a normal address without its extension: user+tag@domain gives user@domain."""
    local, name = split(address)
    head, plus, _ = local.partition("+")
    return f"{head}@{name}" if plus and head else address


def _address(text: str, grammar: re.Pattern[str], allowed: str) -> str:
    local, at, name = text.rpartition("@")
    if not at or not local:
        raise UsageError(f"{text!r} is not an address", "Write it as user@domain.")
    # Plain lower(): "K" (Kelvin sign) must not become "k" unseen.
    if not local.isascii() or not grammar.fullmatch(local.lower()):
        raise UsageError(f"{text!r}: {local!r} cannot stand before the @ here", f"Use {allowed}.")
    if len(local) > _LONGEST[0]:
        raise UsageError(f"{text!r}: {len(local)} characters before the @", f"At most {_LONGEST[0]}.")
    address = f"{local.lower()}@{domain(name)}"
    if len(address) > _LONGEST[1]:
        raise UsageError(f"{address!r} is {len(address)} characters long", f"At most {_LONGEST[1]}.")
    return address
