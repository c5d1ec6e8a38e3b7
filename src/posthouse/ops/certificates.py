"""The certificate that the site file asks for: put where the daemons read it, renewed, looked at as it is served."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import services as managers
from posthouse.host.lock import exclusive
from posthouse.ops import readers
from posthouse.ops.alone import alone
from posthouse.tls import given, pair, place, self_signed, served
from posthouse.tls.acme import keys
from posthouse.tls.acme.tries import Last, Tries

if TYPE_CHECKING:
    from posthouse.ops.context import Base
    from posthouse.site.model import Site

Note = Callable[[str], None]
TRIES = Tries(paths.ACME / "tries.json")
_LOCK = paths.ACME / "lock"
_WAIT = 1800.0  # seconds that one order waits for another
_SERVED_SECONDS = 120.0  # until every port must show a new certificate: a busy machine reloads slowly
_TOGETHER = 16  # names looked up at once
_URGENT = timedelta(days=14)  # with less left, a name that cannot be had holds the others up no longer


@dataclass(frozen=True)
class Renewal:
    """What came of it. `changed`: another certificate is served now. `waits`: for a DNS record that must be published.

    `said`: what was wrong, or why there was nothing to do.
    """

    changed: bool
    ok: bool
    said: tuple[str, ...] = ()
    waits: bool = False


def names(site: Site) -> tuple[str, ...]:
    """Return every name that clients and other servers come to, the host's first."""
    return tuple(dict.fromkeys((site.hostname, *site.tls.names)))


def web_names(site: Site) -> tuple[str, ...]:
    """Return the names below our domains that are served by HTTPS and belong on the authority's certificate, too.

    Those that are not (yet) published are left out of it, and fail nothing. PosthouseError; OSError: not root.
    """
    from posthouse.web import names as web

    if not site.web_enabled or site.tls.kind != "acme":
        return ()
    own = names(site)
    return tuple(name for name in web.served(_domains()) if name not in own)[: max(web.MOST - len(own), 0)]


def _domains() -> set[str]:
    """Our domains. The map of keys has every one that ever was; where the directory is away, no name may be lost."""
    from posthouse import directory
    from posthouse.directory import domains
    from posthouse.dkim import keys

    known = set(keys.domains())
    with suppress(directory.Unreachable):
        known &= {domain.name for domain in directory.reading(domains.list) if domain.active}
    return known


def trusted(site: Site) -> Callable[[str], bool]:
    """Return what tells whether the certificate in use is for a name, as others believe. Not root: for none."""
    try:
        present = in_use()
    except OSError:
        present = None
    if site.tls.kind == "self-signed" or present is None or present.self_signed:
        return lambda _: False
    return present.covers


def in_use() -> pair.Pair | None:
    """Return the pair that the daemons read; None where there is none, or a damaged one. OSError: not root."""
    if not (paths.TLS / pair.CHAIN).exists():
        return None
    try:
        return pair.load(paths.TLS / pair.CHAIN, paths.TLS / pair.KEY)
    except PosthouseError as error:
        if isinstance(error.__cause__, PermissionError):
            raise error.__cause__ from error
        return None


def pins(site: Site) -> tuple[str, ...]:
    """Return what TLSA records hold: the key in use, where it stays, and one that comes next. Not root: none."""
    try:
        present = in_use()
        if site.tls.kind == "self-signed" or present is None or present.self_signed:
            return ()
        upcoming = keys.next_() if site.tls.kind == "acme" else None
    except OSError:
        return ()
    return tuple(dict.fromkeys((present.pin, *([keys.pin(upcoming)] if upcoming else []))))


def pending(site: Site) -> str | None:
    """Say why an apply would put another certificate in place; None where it would not. Changes nothing."""
    try:
        kind = place.kind()
        if site.tls.kind == "files" and given.differs(*given.places(site)):
            return "the files that [tls] names hold another one than the daemons read"
        if site.tls.kind == "self-signed" and kind in ("acme", "files"):
            return "[tls] asks for a self-signed one"
        if site.tls.kind == "acme" and kind != "acme" and place.newest("acme") is not None:
            return "[tls] asks for the authority's, and one is here from before"
    except OSError:  # not root
        return None
    return None


def ensure(site: Site) -> bool:
    """See that the daemons have a certificate; True where it is another one than before. Asks nobody.

    Raises:
        PosthouseError: the operator's own is no good, or a file cannot be written.
    """
    wanted = names(site)
    if site.tls.kind == "files":
        chain, key = given.places(site)
        # A folder without a mode is one that was there before us (`up --adopt`), whatever names it is for.
        return given.ensure(chain, key, wanted if site.tls.mode else ())
    if site.tls.kind == "acme":
        if place.kind() == "acme":
            return False
        if (kept := place.newest("acme")) is not None:
            place.lead(kept)
            return True
        return self_signed.ensure(site.hostname, more=site.tls.names)
    return self_signed.ensure(site.hostname, more=site.tls.names, instead=True)


def renew(base: Base, site: Site, note: Note, *, force: bool = False, new_key: bool = False) -> Renewal:
    """Have a new certificate where one is due, and see that it is served.

    Args:
        base: the machine.
        site: whose certificate it is.
        note: told what happens.
        force: also where none is due.
        new_key: for another key than before, once its TLSA record is published where there is one.

    Raises:
        PosthouseError: a file cannot be written, or another posthouse is at work for half an hour.
    """
    if site.tls.kind == "acme":
        paths.ACME.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(_LOCK, _WAIT, note):
            return _from_authority(base, site, note, force=force, new_key=new_key)
    with alone(base.engine):
        if not ensure(site):
            return Renewal(False, True, ("nothing to do: the daemons have it already",))
        wrong = serve(base, site, note)
    return Renewal(True, not wrong, wrong)


def _from_authority(base: Base, site: Site, note: Note, *, force: bool, new_key: bool) -> Renewal:
    from posthouse.ops import certificate_order as ordering

    now = time.time()
    present = in_use() if place.kind() == "acme" else None
    upcoming = keys.next_()
    if present is not None and upcoming is not None and present.pin == keys.pin(upcoming):
        keys.switch()  # cut off after the new key's certificate was in place
        upcoming = None
    bad: dict[str, str] = {}
    try:
        if new_key and (waits := ordering.new_key_waits(site, keys.begin(), now)) is not None:
            return Renewal(False, True, (waits,), waits=True)
        wanted = force or new_key
        more = web_names(site)
        if not wanted and not due(site, present, now) and not _appeared(site, present, more):
            return Renewal(False, True, (f"nothing to do: not due before {_due_from(present):%Y-%m-%d}",))
        key = keys.begin() if new_key else keys.current()
        good, bad, without = ordering.preflight(site, TRIES, now, more)
        _worth_it(site, present, good, bad, without, now, force=wanted)
        if not wanted and not bad and not _gains(present, good, now):
            return Renewal(False, True, ("nothing to do: no further name can be had now",))
        for name, why in without.items():
            note(f"left out: {name}: {why}")
        found, refused = ordering.certificate(
            site, good, key, TRIES, note, lambda left: wanted or _gains(present, left, now)
        )
        bad |= refused
    except PosthouseError as error:
        said = {**bad, "": error.message}
        TRIES.end(Last(now, False, said))
        return Renewal(False, False, (*_by_name(bad), str(error)))
    with alone(base.engine):
        place.put("acme", found.chain, found.key)
        if new_key:
            keys.switch()
        wrong = serve(base, site, note)
    TRIES.end(Last(now, not bad and not wrong, {**bad, **({"": "; ".join(wrong)} if wrong else {})}))
    return Renewal(True, not bad and not wrong, (*_by_name(bad), *wrong))


def due(site: Site, present: pair.Pair | None, now: float) -> bool:
    """Tell whether a certificate of the authority is to be ordered: a third of its life is left, or a name lacks."""
    if present is None or now >= _due_from(present).timestamp():
        return True
    return any(not present.covers(name) for name in names(site))


def _due_from(present: pair.Pair | None) -> datetime:
    assert present is not None
    return present.ends - (present.ends - present.begins) / 3


def _worth_it(
    site: Site,
    present: pair.Pair | None,
    good: Sequence[str],
    bad: dict[str, str],
    without: dict[str, str],
    now: float,
    *,
    force: bool,
) -> None:
    """PosthouseError where an order would bring nothing, or take a name away that is served and has time left."""
    hint = "The certificate in use stays; it is tried again by itself."
    if site.hostname in bad:
        raise PosthouseError(f"{site.hostname}: {bad[site.hostname]}; nothing was ordered", hint)
    if present is None or force:
        return
    lost = [name for name in (*bad, *without) if present.covers(name)]
    if lost and present.ends - datetime.fromtimestamp(now, UTC) > _URGENT:
        raise PosthouseError(f"a new certificate could not be for {', '.join(lost)} any longer", hint)
    if bad and not _gains(present, good, now):
        raise PosthouseError("the names that lack cannot be had now; nothing was ordered", hint)


def _gains(present: pair.Pair | None, wanted: Sequence[str], now: float) -> bool:
    """Tell whether a certificate for these names would be for more of them, or for longer, than is worth little."""
    if present is None or now >= _due_from(present).timestamp():
        return True
    return any(not present.covers(name) for name in wanted)


def _appeared(site: Site, present: pair.Pair | None, more: Sequence[str]) -> bool:
    """Tell whether a name that the certificate in use is not for was published since."""
    from concurrent.futures import ThreadPoolExecutor

    from posthouse.ops import certificate_order as ordering

    lacking = [name for name in more if present is None or not present.covers(name)]
    with ThreadPoolExecutor(_TOGETHER) as pool:
        return any(pool.map(lambda name: ordering.leads_here(site, name), lacking))


def _by_name(bad: dict[str, str]) -> list[str]:
    return [f"{name}: {why}" for name, why in bad.items()]


def serve(base: Base, site: Site, note: Note) -> tuple[str, ...]:
    """Have the daemons read the certificate, and return what ports do not show it. The engine's lock is the caller's.

    Raises:
        PosthouseError: a daemon cannot be reloaded.
    """
    found = readers.running(base, paths.TLS)
    for service in found:
        note(f"reload {service.name}")
        managers.manager(base.ground).reload(service)
    return looked_at(site, _SERVED_SECONDS) if found else ()


def looked_at(site: Site, patience: float = 0.0) -> tuple[str, ...]:
    """Return in words which ports do not show the certificate on the disk, to whom asks for which name.

    Looked at again until all do, or `patience` (seconds) is over. OSError: not root.
    """
    present = in_use()
    if present is None:
        return ("the certificate on the disk cannot be read",)
    until = time.monotonic() + patience
    while True:
        wrong = served.look(present.digest, names(site))
        if site.web_enabled:
            # Port 443 is asked for the names below our domains too, as far as there is one to show for them.
            wrong += served.look(
                present.digest, (*names(site), *filter(present.covers, web_names(site))), (443,)
            )
        if not wrong or time.monotonic() > until:
            break
        time.sleep(0.5)
    return tuple(
        f"port {one.port}{f' for {one.name}' if len(names(site)) > 1 else ''}: {one.why}" for one in wrong
    )
