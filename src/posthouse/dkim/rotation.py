"""The life of a domain's keys after the first: made, published, seen, signing, drained, withdrawn.

What is under way stands in `rotations.json` beside the keys; which key signs stands in `selectors.map` alone. Each
step writes one file and can be cut off before or after it: the next run sees how far it came. The rule that none
of them breaks: once a domain's key is published, no mail leaves with one that DNS does not show.

The DNS and the clock come from the caller.
"""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from posthouse import paths
from posthouse.dkim import keys
from posthouse.errors import PosthouseError

STATE = "rotations.json"
# How long mail that was signed may be on its way: five days in our queue at most, and as many in a receiver's.
DRAIN = 10 * 86_400.0  # seconds

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """What DNS shows of a key's record: `shown` is None where it could not be told.

    `remembered` is for how many seconds a resolver may believe that there is none (RFC 2308) or has another.
    """

    shown: bool | None
    detail: str = ""
    remembered: float = 0.0


@dataclass(frozen=True)
class Retired:
    """A key that signs no more, and the time (Unix) until which its mail may be on its way."""

    selector: str
    until: float


@dataclass(frozen=True)
class Rotation:
    """How far a domain is: the next key's selector, since when all servers show it, and when it may sign."""

    next: str | None = None
    seen: float | None = None
    ready: float | None = None
    retired: tuple[Retired, ...] = field(default=())


Stage = Literal["publish", "remember", "switched", "draining", "withdraw", "withdrawn", "settled"]


@dataclass(frozen=True)
class Step:
    """Where `advance` came to: the key that it is about, a time (Unix) that it waits for, and why.

    `both` are that key and its twin: their records are published and removed together.
    """

    stage: Stage
    key: keys.Key | None = None
    until: float | None = None
    detail: str = ""
    both: tuple[keys.Key, ...] = ()


def rotations(folder: Path = paths.DKIM) -> dict[str, Rotation]:
    """Return what is under way, by domain. PosthouseError where the file cannot be read."""
    try:
        found = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return {
            domain: Rotation(
                one["next"], one["seen"], one["ready"], tuple(Retired(**old) for old in one["retired"])
            )
            for domain, one in found.items()
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PosthouseError(f"{folder / STATE}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PosthouseError(
            f"{folder / STATE}: expected what posthouse wrote there, found something else ({error})",
            "restore it from a backup; or remove it: the key that signs goes on, others are forgotten",
        ) from error


def published(folder: Path = paths.DKIM) -> tuple[keys.Key, ...]:
    """Return every key whose record belongs into DNS now: those that sign, come next, or drain."""
    found = list(keys.all(folder))
    for domain, rotation in sorted(rotations(folder).items()):
        names = [*([rotation.next] if rotation.next else []), *(old.selector for old in rotation.retired)]
        for selector in names:
            key = keys.one(domain, selector, folder)
            if key is not None and key not in found:
                found += keys.with_twin(key, folder)
    return tuple(found)


def advance(
    domain: str,
    look: Callable[[keys.Key], Seen],
    now: Callable[[], float],
    folder: Path = paths.DKIM,
    drain: float = DRAIN,
) -> Step:
    """Go on from where the domain is, as far as DNS and the clock allow; return where it came to.

    A domain with nothing under way ends "settled": `begin` starts a rotation.

    Raises:
        PosthouseError: a file cannot be read or written, or a key is gone.
    """
    rotation = _settled(domain, folder)
    if rotation.next is not None:
        return _towards_signing(domain, rotation, look, now, folder, drain)
    if rotation.retired:
        return _towards_withdrawal(domain, rotation.retired[0], look, now, folder, drain)
    return Step("settled")


def begin(domain: str, folder: Path = paths.DKIM) -> keys.Key:
    """Make the next key of a domain, which does not sign yet; the one that is under way already, if there is one.

    Raises:
        PosthouseError: the domain has no key that signs, or it cannot be written.
    """

    def act() -> keys.Key:
        with keys.changing(folder):
            found = rotations(folder)
            rotation = found.get(domain, Rotation())
            current = keys.signing(domain, folder)
            if current is None:
                raise PosthouseError(f"{domain} has no key that signs yet", f"posthouse domain add {domain}")
            if rotation.next is not None and (key := keys.one(domain, rotation.next, folder)) is not None:
                return key
            known = {current, *(old.selector for old in rotation.retired)}
            # One that a run which was killed had made, and not yet noted.
            orphans = [name for name in keys.selectors_of(domain, folder) if name not in known]
            key = keys.one(domain, orphans[0], folder) if orphans else None
            key = key or keys.make(domain, known, folder)
            _write({**found, domain: replace(rotation, next=key.selector, seen=None, ready=None)}, folder)
            return key

    return _as_owner(folder, act)


def _towards_signing(
    domain: str,
    rotation: Rotation,
    look: Callable[[keys.Key], Seen],
    now: Callable[[], float],
    folder: Path,
    drain: float,
) -> Step:
    assert rotation.next is not None
    key = keys.one(domain, rotation.next, folder)
    if key is None:
        raise PosthouseError(
            f"{folder}/{domain}.{rotation.next}.key: the next key of {domain} is gone; the present one goes on",
            "restore it from a backup; or say `posthouse dkim rotate` with --abandon, and begin anew",
        )
    both = keys.with_twin(key, folder)
    seen, time = _seen(look, both), now()
    if not seen.shown:
        _change(domain, folder, lambda found: replace(found, seen=None, ready=None))
        return Step("publish", key, detail=seen.detail, both=both)
    # A clock that was set back begins the waiting anew.
    if rotation.seen is None or rotation.ready is None or time < rotation.seen:
        ready = time + seen.remembered
        _change(domain, folder, lambda found: replace(found, seen=time, ready=ready))
    else:
        ready = rotation.ready
    if time < ready:
        return Step("remember", key, ready)
    _switch(domain, key, time + drain, folder)
    return Step("switched", key, time + drain)


def _seen(look: Callable[[keys.Key], Seen], both: tuple[keys.Key, ...]) -> Seen:
    """What DNS shows of a key and its twin together: shown only where both are."""
    found = [look(one) for one in both]
    worst = next((one for one in found if not one.shown), found[0])
    return replace(worst, remembered=max(one.remembered for one in found))


def _switch(domain: str, key: keys.Key, until: float, folder: Path) -> None:
    """Note the old key as retired, then let the new one sign; `_settled` ends what is cut off between the two."""

    def act() -> None:
        with keys.changing(folder):
            found = rotations(folder)
            rotation, old = found[domain], keys.signing(domain, folder)
            retired = tuple(one for one in rotation.retired if one.selector != old)
            if old is not None and old != key.selector:
                retired = (*retired, Retired(old, until))
            _write({**found, domain: replace(rotation, retired=retired)}, folder)
            keys.sign_with(domain, key.selector, folder)
            _write({**found, domain: Rotation(retired=retired)}, folder)

    _as_owner(folder, act)


def _settled(domain: str, folder: Path) -> Rotation:
    """Return how far a domain is, after a switch that was cut off is undone or ended."""
    rotation = rotations(folder).get(domain, Rotation())
    signing = keys.signing(domain, folder)
    if rotation.next is not None and rotation.next == signing:
        return _change(domain, folder, lambda found: replace(found, next=None, seen=None, ready=None))
    if any(old.selector == signing for old in rotation.retired):
        keep = tuple(old for old in rotation.retired if old.selector != signing)
        return _change(domain, folder, lambda found: replace(found, retired=keep))
    return rotation


def _towards_withdrawal(
    domain: str,
    old: Retired,
    look: Callable[[keys.Key], Seen],
    now: Callable[[], float],
    folder: Path,
    drain: float,
) -> Step:
    key, latest = keys.one(domain, old.selector, folder), now() + drain
    if old.until > latest:  # the clock was set back: the waiting begins anew, as it does before the switch
        fresh = replace(old, until=latest)
        _change(
            domain,
            folder,
            lambda found: replace(found, retired=(fresh, *(one for one in found.retired if one != old))),
        )
        return Step("draining", key, latest)
    if now() < old.until:
        return Step("draining", key, old.until)
    if key is not None:
        both = keys.with_twin(key, folder)
        still = [found for one in both if (found := look(one)).shown is not False]
        if still:
            return Step("withdraw", key, detail=still[0].detail, both=both)

    def act() -> None:
        with keys.changing(folder):
            found = rotations(folder)
            rest = tuple(one for one in found[domain].retired if one.selector != old.selector)
            if key is not None:
                for one in reversed(keys.with_twin(key, folder)):
                    one.path.unlink(missing_ok=True)
            _write({**found, domain: replace(found[domain], retired=rest)}, folder)

    _as_owner(folder, act)
    return Step("withdrawn", key)


def abandon(domain: str, folder: Path = paths.DKIM) -> bool:
    """Give up a key that was made and does not sign yet; tell whether there was one. PosthouseError."""

    def act() -> bool:
        with keys.changing(folder):
            found = rotations(folder)
            rotation = found.get(domain, Rotation())
            if rotation.next is None or rotation.next == keys.signing(domain, folder):
                return False
            _write({**found, domain: replace(rotation, next=None, seen=None, ready=None)}, folder)
            for selector in (rotation.next + keys.TWIN, rotation.next):
                (folder / f"{domain}.{selector}.key").unlink(missing_ok=True)
            return True

    return _as_owner(folder, act)


def _change(domain: str, folder: Path, change: Callable[[Rotation], Rotation]) -> Rotation:
    def act() -> Rotation:
        with keys.changing(folder):
            found = rotations(folder)
            before = found.get(domain, Rotation())
            after = change(before)
            if after != before:
                _write({**found, domain: after}, folder)
            return after

    return _as_owner(folder, act)


def _write(found: dict[str, Rotation], folder: Path) -> None:
    kept = {domain: asdict(one) for domain, one in sorted(found.items()) if one != Rotation()}
    keys.write(folder / STATE, (json.dumps(kept, indent=1) + "\n").encode())


def _as_owner(folder: Path, function: Callable[[], T]) -> T:
    """Act as the folder's owner, where root says it."""
    owner = folder.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        from posthouse.host.accounts import drop_to

        return drop_to(pwd.getpwuid(owner).pw_name, function)
    return function()
