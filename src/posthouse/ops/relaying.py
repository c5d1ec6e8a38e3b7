"""The smart hosts, as they are now: tried up to the login. Trouble there is a warning, and never an apply's failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from posthouse.errors import PosthouseError
from posthouse.host.run import CommandFailed, run
from posthouse.mailflow import smarthost
from posthouse.mailflow.smarthost import Trouble
from posthouse.ops import logins
from posthouse.site.model import Site
from posthouse.stack.postfix import smarthosts
from posthouse.stack.postfix.smarthosts import Transport

MOST = 10  # that are tried, together


def look(site: Site) -> Iterator[tuple[str, Trouble | None]]:
    """Try each smart host; yield its name and port, and what is wrong."""
    different: dict[object, Transport] = {}
    for transport in smarthosts.of(site).all:
        different.setdefault((transport.hop, transport.logins, transport.host.tls), transport)
    tried = list(different.values())[:MOST]
    if tried:
        with ThreadPoolExecutor(MOST) as pool:
            found = pool.map(lambda transport: _try(site, transport), tried)
        yield from (
            (f"{one.host.server}:{one.host.port}", trouble) for one, trouble in zip(tried, found, strict=True)
        )


def after(site: Site, note: Callable[[str], None]) -> None:
    """After an apply: let what waited for a smart host try again, and say what is wrong with one."""
    if not smarthosts.of(site).all:
        return
    try:
        run(["/usr/sbin/postqueue", "-f"], timeout=60)
    except CommandFailed as error:
        note(f"what waits in the queue was not tried again: {error.message.splitlines()[0]}")
    for name, trouble in look(site):
        if trouble is None:
            note(f"relay {name} takes our mail")
        else:
            note(f"WARNING: relay {name} {trouble.what}\n  Mail waits in the queue; {trouble.mend}")


def _try(site: Site, transport: Transport) -> Trouble | None:
    host = transport.host
    try:
        login = logins.login(transport)
    except PosthouseError as error:
        return Trouble(f"cannot be tried: {error.message}", error.hint or "")
    assert host.server is not None
    return smarthost.attempt(
        host.server,
        host.port,
        hostname=site.hostname,
        tls_at_once=host.tls_at_once,
        verify=host.tls == "verify",
        login=login,
        anew=logins.mend(transport),
    )
