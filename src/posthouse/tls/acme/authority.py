"""What the authority says of itself: its directory (RFC 8555 section 7.1.1). Hostile until parsed."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.request
from typing import Any

from posthouse.dns.caa import identity
from posthouse.errors import PosthouseError
from posthouse.printable import printable

_SECONDS = 15.0
_LARGEST = 65_536  # bytes
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def identities(url: str, ca_file: str | None) -> frozenset[str]:
    """Ask the authority by which names CAA records allow it; empty where it does not say, and is not well known.

    Raises:
        PosthouseError: it cannot be reached, or what answers is no ACME server.
    """
    said = _directory(url, ca_file).get("meta")
    listed = said.get("caaIdentities") if isinstance(said, dict) else None
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    own = identity(url)
    return frozenset(name.lower() for name in [*names[:20], *([own] if own else [])] if _NAME.fullmatch(name))


def _directory(url: str, ca_file: str | None) -> dict[str, Any]:
    hint = "The certificate in use stays. See tls.acme_server in the site file; it is tried again by itself."
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise PosthouseError(
            f"tls.acme_ca_file: {ca_file} cannot be read as certificates ({error})"
        ) from error
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS, context=context) as answer:  # noqa: S310 - https only
            data = answer.read(_LARGEST + 1)
    except (OSError, ValueError, urllib.error.URLError) as error:
        why = getattr(error, "reason", None) or error
        raise PosthouseError(f"{url} cannot be reached: {printable(str(why))}", hint) from error
    try:
        found = json.loads(data[:_LARGEST])
    except (ValueError, RecursionError) as error:
        raise PosthouseError(
            f"{url}: expected the directory of an ACME server, found no JSON", hint
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("newOrder"), str):
        raise PosthouseError(f"{url}: expected the directory of an ACME server, found other JSON", hint)
    return found
