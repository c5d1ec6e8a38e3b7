"""A name server that takes changes: dynamic update (RFC 2136), each message signed with a shared key (RFC 8945).

Each change says what must stand there before it; where something else does by then, the server refuses all of it.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update

from posthouse.dns.ask import text_of
from posthouse.dns.record import Record
from posthouse.dns.written import Written
from posthouse.errors import PosthouseError, UsageError
from posthouse.site.model import DnsUpdate

_SECONDS = 10.0  # for one answer


class Server:
    """The server of `[dns.update]`."""

    def __init__(self, table: DnsUpdate, secret: str) -> None:
        """`secret`: the key in Base64. UsageError where it is not that."""
        self._address, self._port = table.server, table.port
        try:
            self._key = dns.tsig.Key(
                dns.name.from_text(table.key), secret, dns.name.from_text(table.algorithm)
            )
        except (binascii.Error, dns.exception.DNSException, ValueError) as error:
            raise UsageError(
                f"dns.update.secret_file: {table.secret_file}: expected the key in Base64",
                "Write the secret of the name server's key into it, such as `tsig-keygen` prints.",
            ) from error
        self._zones: dict[dns.name.Name, dns.name.Name | None] = {}
        self._seen: dict[tuple[dns.name.Name, str], dns.rdataset.Rdataset | None] = {}

    def shown(self, name: str, kind: str) -> tuple[str, ...] | None:
        """Return the values at a name, as `ask` does; None where this server does not answer for it. PosthouseError."""
        owner = dns.name.from_text(name)
        if self._zone(owner) is None:
            return None
        found = self._look(owner, kind)
        return tuple(sorted(text_of(record) for record in found or ()))

    def change(self, add: Iterable[Record], remove: Iterable[Written]) -> None:
        """Make the changes, those of a zone all or none, if what `shown` said is still so.

        Raises:
            PosthouseError: the server cannot be reached, or refuses; changes of other zones may have been made.
        """
        updates: dict[dns.name.Name, dns.update.UpdateMessage] = {}

        def of(name: dns.name.Name, kind: str) -> dns.update.UpdateMessage:
            zone = self._zone(name)
            assert zone is not None  # `shown` said what stands there
            update = updates.setdefault(zone, dns.update.UpdateMessage(zone, keyring=self._key))
            if (name, kind) not in noted:
                noted.add((name, kind))
                before = self._look(name, kind)
                if before:
                    # with a TTL of 0 (RFC 2136 section 2.4.2)
                    update.present(name, dns.rdataset.from_rdata(0, *before))
                else:
                    update.absent(name, kind)
            return update

        noted: set[tuple[dns.name.Name, str]] = set()
        for old in remove:
            name = dns.name.from_text(old.name)
            for record in self._look(name, old.type) or ():
                if text_of(record) == old.value:
                    of(name, old.type).delete(name, record)
        for wanted in add:
            name = dns.name.from_text(wanted.name)
            value = dns.rdataset.from_text("IN", wanted.type, wanted.ttl, wanted.presentation)
            of(name, wanted.type).add(name, value)
        self._seen.clear()
        for zone, update in updates.items():
            self._exchange(update, f"change {zone}")

    def _zone(self, name: dns.name.Name) -> dns.name.Name | None:
        """The zone of the server's that a name stands in: the nearest name upwards with an SOA."""
        if name not in self._zones:
            found = self._query(name, "SOA")
            soa = [one for one in (*found.answer, *found.authority) if one.rdtype == dns.rdatatype.SOA]
            self._zones[name] = soa[0].name if soa else None
        return self._zones[name]

    def _look(self, name: dns.name.Name, kind: str) -> dns.rdataset.Rdataset | None:
        if (name, kind) not in self._seen:
            reply = self._query(name, kind)
            if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                raise self._refused(f"say what is at {name}", reply)
            self._seen[name, kind] = reply.get_rrset(
                reply.answer, name, dns.rdataclass.IN, dns.rdatatype.from_text(kind)
            )
        return self._seen[name, kind]

    def _query(self, name: dns.name.Name, kind: str) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        query.flags &= ~dns.flags.RD
        query.use_tsig(self._key)
        with self._failures(f"say what is at {name}"):
            try:
                return dns.query.tcp(query, self._address, timeout=_SECONDS, port=self._port)
            except dns.exception.FormError:
                # Of a zone that is not theirs, servers answer without a signature: only that is believed then.
                query = dns.message.make_query(name, kind)
                reply = dns.query.tcp(query, self._address, timeout=_SECONDS, port=self._port)
                if reply.rcode() in (dns.rcode.REFUSED, dns.rcode.NOTAUTH):
                    return dns.message.make_response(query)
                raise
        raise AssertionError

    def _exchange(self, update: dns.update.UpdateMessage, what: str) -> None:
        with self._failures(what):
            reply = dns.query.tcp(update, self._address, timeout=_SECONDS, port=self._port)
        if reply.rcode() != dns.rcode.NOERROR:
            raise self._refused(what, reply)

    def _refused(self, what: str, reply: dns.message.Message) -> PosthouseError:
        code = dns.rcode.to_text(reply.rcode())
        hints = {
            "YXRRSET": "somebody changed it meanwhile: say the same again",
            "NXRRSET": "somebody changed it meanwhile: say the same again",
            "REFUSED": "let the key change the zone there (BIND: update-policy; Knot: acl with action update)",
            "NOTAUTH": "it has no such zone, or does not know the key",
        }
        return PosthouseError(
            f"the name server {self._address} would not {what}: {code}",
            hints.get(code, "its own log says why"),
        )

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Say in words why there is no answer."""
        try:
            yield
        except dns.tsig.PeerError as error:
            raise PosthouseError(
                f"the name server {self._address} does not take the key: {type(error).__name__}",
                "the key's name, algorithm and secret must be the same there and in [dns.update]; both clocks too",
            ) from error
        except dns.exception.Timeout as error:
            raise PosthouseError(
                f"the name server {self._address} did not answer within {_SECONDS:.0f} seconds",
                f"see that it runs, and takes TCP connections from here on port {self._port}",
            ) from error
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise PosthouseError(
                f"the name server {self._address} could not be asked to {what}: {why}",
                "see that it runs, takes TCP connections from here, and knows the key of [dns.update]",
            ) from error
