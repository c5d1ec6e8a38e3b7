"""A DNS provider that takes changes by its own API, through octoDNS's module for it.

octoDNS itself makes a whole zone what it is told. Here it is told what is there, with our changes in it, and what it
then would change beside them is refused. Providers know no conditions as RFC 2136 has them: all that can be done is to
look again right before. What comes back from one is hostile, as any answer from DNS is.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dns.rdata

from posthouse.dns.ask import text_of
from posthouse.dns.record import Record
from posthouse.dns.written import Written
from posthouse.errors import PosthouseError, UsageError
from posthouse.printable import printable
from posthouse.site.octodns import Octodns

_AGAIN = "Look at what is there now, and say the same again."
_Place = tuple[str, str]  # a name and a type


class Provider:
    """The provider of `[dns.octodns]`."""

    def __init__(self, table: Octodns, secrets: Mapping[str, str]) -> None:
        """`secrets`: by the setting that each is for. UsageError where there is no such class, or it wants others."""
        self._name = table.provider
        self._secrets = tuple(secrets.values())
        self._known = tuple(f"{zone}." for zone in table.zones)
        self._zones: dict[str, Any] = {}
        # What modules log holds strangers' bytes, and is said in our own errors where it matters.
        logging.getLogger().addHandler(logging.NullHandler())
        module, _, name = table.provider.rpartition(".")
        try:
            maker = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"dns.octodns.provider: there is no {table.provider} here ({self._words(error)})",
                "docs/dns.md tells which modules come with Posthouse, and what to do for another.",
            ) from error
        try:
            self._made = maker("posthouse", **table.settings, **secrets)
        except Exception as error:
            raise UsageError(
                f"dns.octodns: {table.provider} does not take these settings: {self._words(error)}",
                "The module's own page says which there are: settings, and secrets for what is secret.",
            ) from error

    def shown(self, name: str, kind: str) -> tuple[str, ...] | None:
        """Return the values at a name, as `ask` does; None where the provider holds no such zone, or no such type.

        PosthouseError.
        """
        zone = self._zone(name)
        if zone is None or kind not in self._made.SUPPORTS:
            return None
        with self._failures(f"say what is at {name}"):
            return tuple(sorted(_values(zone, (name, kind))))

    def change(self, add: Iterable[Record], remove: Iterable[Written]) -> None:
        """Make the changes, zone by zone, if what `shown` said is still so.

        Raises:
            PosthouseError: the provider cannot be reached, or refuses, or somebody changed the zone meanwhile;
                some of the changes may have been made.
        """
        added: dict[_Place, list[Record]] = {}
        for record in add:
            added.setdefault((record.name, record.type), []).append(record)
        removed: dict[_Place, set[str]] = {}
        for old in remove:
            removed.setdefault((old.name, old.type), set()).add(old.value)
        zones: dict[str, list[_Place]] = {}
        for place in dict.fromkeys((*removed, *added)):
            zone = self._zone(place[0])
            assert zone is not None  # `shown` said what stands there
            zones.setdefault(zone.name, []).append(place)
        for name, places in zones.items():
            self._change(self._zones.pop(name), places, added, removed)

    def _change(
        self,
        before: Any,
        places: list[_Place],
        added: Mapping[_Place, list[Record]],
        removed: Mapping[_Place, set[str]],
    ) -> None:
        from octodns.record import Record as Theirs
        from octodns.record.rr import Rrset

        with self._failures(f"change {before.name}"):
            desired = before.copy()
            for place in places:
                found, values = _record(before, place), _values(before, place)
                kept = [text for value, text in values.items() if value not in removed.get(place, ())]
                new = [one for one in added.get(place, ()) if one.value not in values]
                if found is not None:
                    desired.remove_record(found)
                if kept or new:
                    ttl = found.ttl if kept else new[0].ttl
                    rrset = Rrset(*place, ttl, [*kept, *(one.presentation for one in new)])
                    record = Theirs.from_rrset(desired, rrset, lenient=True, source=self._made)
                    if len(record.data.get("values", ("",))) != len(kept) + len(new):
                        raise PosthouseError(
                            f"octoDNS would lose a value of {' '.join(place)}, an empty one mostly;"
                            f" nothing was changed in {before.name}",
                            "Remove that value, or publish ours by hand.",
                        )
                    desired.add_record(record, lenient=True)
            plan = self._made.plan(desired)  # which looks again
            if plan is None:
                return
            self._same(before, plan, places)
            self._made.apply(plan)

    def _same(self, before: Any, plan: Any, places: list[_Place]) -> None:
        """See that nothing but our own would be changed, and that it is as it was."""
        if plan.exists is False:
            raise PosthouseError(f"{self._name} holds no zone {before.name} any more", _AGAIN)
        changed = [(change.record.fqdn, change.record._type) for change in plan.changes]
        beside = [place for place in changed if place not in places]
        if beside or plan.meta:
            what = " ".join(beside[0]) if beside else "the zone's own settings"
            raise PosthouseError(
                f"{self._name} would change {printable(what)} too, which is not ours: somebody changed it just now,"
                f" or the module cannot leave it as it is; nothing was changed in {before.name}",
                _AGAIN,
            )
        for place in places:
            if _values(plan.existing, place).keys() != _values(before, place).keys():
                raise PosthouseError(
                    f"somebody changed {' '.join(place)} just now; nothing was changed in {before.name}",
                    _AGAIN,
                )

    def _zone(self, name: str) -> Any:
        """The zone that a name stands in, with its records; None where the provider holds none."""
        if not self._known:
            self._known = self._listed()
        above = [zone for zone in self._known if f".{name}".endswith(f".{zone}")]
        if not above:
            return None
        zone = max(above, key=len)
        if zone not in self._zones:
            from octodns.zone import Zone

            found = Zone(zone, [])
            with self._failures(f"say what is in {zone}"):
                exists = self._made.populate(found, target=True, lenient=True)
            self._zones[zone] = None if exists is False else found
        return self._zones[zone]

    def _listed(self) -> tuple[str, ...]:
        if not hasattr(self._made, "list_zones"):
            raise UsageError(
                f"dns.octodns.zones: {self._name} cannot say which zones it holds",
                'Write zones = ["DOMAIN"].',
            )
        with self._failures("say which zones it holds"):
            return tuple(f"{zone.rstrip('.')}.".lower() for zone in map(str, self._made.list_zones()))

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Say in words why it could not. A module may raise anything."""
        try:
            yield
        except PosthouseError:
            raise
        except Exception as error:
            raise PosthouseError(
                f"{self._name} could not {what}: {self._words(error)}",
                "See that the provider can be reached from here, and that what [dns.octodns] says of it is right.",
            ) from error

    def _words(self, error: Exception) -> str:
        text = str(error)
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        return printable(f"{type(error).__name__}: {text}")


def _record(zone: Any, place: _Place) -> Any:
    return next((one for one in zone.records if (one.fqdn, one._type) == place), None)


def _values(zone: Any, place: _Place) -> dict[str, str]:
    """The values at a place, as `ask` has them, each with the text that octoDNS has for it."""
    found = _record(zone, place)
    texts = [] if found is None else found.to_rrset().rdatas
    return {text_of(dns.rdata.from_text("IN", place[1], text)): text for text in texts}
