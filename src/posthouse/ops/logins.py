"""Logins at smart hosts: from the operator's password files into maps that only root, and so Postfix's smtp, reads.

They live on their own: in no plan, generation or log. Each is named by all but the password, so that an apply that is
taken back, or a rollback, finds the one that it had.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.errors import UsageError
from posthouse.host import files
from posthouse.host.secret_file import read_password
from posthouse.site.model import Site
from posthouse.stack.postfix import smarthosts
from posthouse.stack.postfix.smarthosts import Transport

NEW = "the password in {} is new, or was not read before"


def changed(site: Site) -> tuple[tuple[Path, str], ...]:
    """Return the maps that `ensure` would write anew, each with the reason in words. UsageError as `ensure`."""
    return tuple(
        (path, NEW.format(transport.host.password_file))
        for path, (transport, text) in _wanted(site).items()
        if isinstance(text, bytes) and (not path.exists() or path.read_bytes() != text)
    )


def notes(site: Site) -> tuple[str, ...]:
    """Say which password files cannot be read any more, though they were: what was read then is still in use."""
    return tuple(
        f"{text.message}; the password that was read before stays in use. {text.hint or ''}".rstrip()
        for _, text in _wanted(site).values()
        if isinstance(text, UsageError)
    )


def ensure(site: Site) -> list[Path]:
    """Have a map for each login; return those that changed.

    Raises:
        UsageError: a password file is not there, not for root only, or holds no password; and never was.
    """
    fresh = []
    for path, (_, text) in _wanted(site).items():
        if isinstance(text, bytes) and (not path.exists() or path.read_bytes() != text):
            files.write_atomic(path, text, mode=0o600)
            fresh.append(path)
    return fresh


def password(transport: Transport) -> str:
    """Return the password of a smart host. UsageError as `ensure`."""
    assert transport.host.password_file is not None
    found = read_password(Path(transport.host.password_file), "relay.password_file")
    if found != found.strip():
        raise UsageError(
            f"relay.password_file: {transport.host.password_file}: a space stands at an end of the password",
            "Postfix cannot be given such a password: choose another one at the smart host.",
        )
    return found


def _wanted(site: Site) -> dict[Path, tuple[Transport, bytes | UsageError]]:
    """Return the maps (texthash: of postconf(1) -m; smtp_sasl_password_maps of postconf(5)).

    Where one was made before, a password file that cannot be read stops nothing: the service must start all the same.
    """
    found: dict[Path, tuple[Transport, bytes | UsageError]] = {}
    for transport in smarthosts.of(site).all:
        if transport.logins is None:
            continue
        try:
            line = f"{transport.hop} {transport.host.login}:{password(transport)}\n"
        except UsageError as error:
            if not transport.logins.exists():
                raise
            found[transport.logins] = (transport, error)
        else:
            found[transport.logins] = (transport, line.encode())
    return found


def check(site: Site, ours: set[str]) -> None:
    """UsageError where a route contradicts the directory, whose domains are `ours`."""
    for route in site.relay.route:
        if route.to in ours:
            raise UsageError(
                f'{paths.SITE_FILE}: relay.route: to = "{route.to}" is one of our domains: its mail stays here',
                "Take the route out.",
            )
        if route.from_ is not None and route.from_ not in ours:
            raise UsageError(
                f'{paths.SITE_FILE}: relay.route: from = "{route.from_}" is none of our domains',
                f"posthouse domain add {route.from_}, or take the route out.",
            )
