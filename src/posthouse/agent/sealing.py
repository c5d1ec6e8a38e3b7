"""The milter that seals what is forwarded (ARC), where the filter chain has nobody else for it.

It comes after the one that decides (`forwarding`), and seals what carries that one's fresh mark and is not kept here.
The headers are kept until the end of a message, the body is not: it is hashed as it passes.

    our own key cannot be read                      the message waits
    a key of an earlier seal cannot be asked for    it goes as it is. No header that came is changed, so the
                                                    chain still holds for whoever can ask; cv=fail would end it
    the chain is broken                             sealed with cv=fail (RFC 8617 section 5.1.2)
    it was sealed so before, has 50 seals, or       it goes as it is
    cannot be numbered
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from posthouse import bounds
from posthouse.agent import resolver, wire
from posthouse.agent.forwarding import LOOP_HEADER, SPAM, SPAM_HEADER, Forwarder
from posthouse.agent.idn import a_labels
from posthouse.agent.keys import KeyNotMade, Keys
from posthouse.agent.resolver import Unknown

if TYPE_CHECKING:
    from posthouse.arc.canonical import BodyHash, Field
    from posthouse.arc.chain import Chain
    from posthouse.arc.record import Key, Name
    from posthouse.arc.seal import Sealer, Status

SECONDS = 5.0  # for all keys of a chain together
MOST_HEADER = 2 * bounds.HEADER  # what we and others added may come on top
TRY_LATER = "451 4.3.0 This message cannot be sealed now, try again later"
UNSEEN = (wire.STEPS & ~(wire.NO_RCPT | wire.NO_BODY)) | wire.LEADING_SPACE
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{1,63}")
_LINE = re.compile(rb"\r?\n")

log = logging.getLogger("posthouse.agent")
Texts = Callable[[str, float], Awaitable[list[bytes]]]


@dataclass(frozen=True)
class Service:
    """What a session needs: whose marks to look for, whose key signs, and who asks DNS."""

    forwarder: Forwarder
    keys: Keys
    texts: Texts = resolver.texts
    now: Callable[[], float] = time.time


@dataclass
class Message:
    """What is known of the message that is being received."""

    recipients: list[str] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    size: int = 0  # octets of its header
    wanted: bool | None = None  # whether it is to be sealed, once its header is known
    trouble: Exception | None = None  # with what came before its end
    hash: BodyHash | None = None  # of the body, for our own signature
    chain: Chain | None = None

    def header(self, name: bytes, value: bytes) -> None:
        """Take one header field, as it stands in the message."""
        self.size += len(name) + len(value)
        if self.size <= MOST_HEADER:
            self.fields.append((name, _LINE.sub(b"\r\n", value)))

    def values(self, name: str) -> Iterable[str]:
        """The values of all fields of a name, the uppermost first."""
        known = name.lower().encode()
        return (
            value.decode("utf-8", "replace").strip() for one, value in self.fields if one.lower() == known
        )


class Session:
    """One connection of Postfix: packets in, packets out."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.message: Message | None = None

    async def answer(self, command: bytes, data: bytes) -> bytes:
        """Return what to send back, possibly nothing. Raises `wire.ProtocolError`."""
        if command == wire.OPTIONS:
            return wire.options(data, {}, UNSEEN | wire.SKIP_BODY, wire.ADD_HEADERS | wire.SET_MACROS)
        if command in (wire.ABORT, wire.QUIT_BUT_STAY):
            self.message = None
        if command in (wire.MACRO, wire.ABORT, wire.QUIT_BUT_STAY):
            return b""
        if command == wire.HELO:
            return wire.go_on()
        if command == wire.MAIL:
            self.message = Message()
            return wire.go_on()
        if (message := self.message) is None:
            raise wire.ProtocolError(f"command {command!r} outside a message")
        if command == wire.RECIPIENT:
            message.recipients.append(wire.address(data))
            return wire.go_on()
        if command == wire.HEADER:
            message.header(*wire.header(data))
            return b""
        if command not in (wire.BODY, wire.END):
            raise wire.ProtocolError(f"command {command!r} was not asked for")
        if message.wanted is None:
            message.wanted = self._is_wanted(message)
        if not message.wanted:
            return wire.enough() if command == wire.BODY else wire.go_on()
        if command == wire.BODY:
            if message.trouble is None:
                try:
                    self._body(message, data)
                except Exception as error:  # see `_end`
                    message.trouble = error
            return wire.go_on()
        self.message = None
        return await self._end(message)

    async def close(self) -> None:
        """Nothing to give back."""

    def _is_wanted(self, message: Message) -> bool:
        """Tell whether it is what the milter before us forwards, and does not keep."""
        if len(message.recipients) != 1 or any(v.lower() == SPAM for v in message.values(SPAM_HEADER)):
            return False
        return self.service.forwarder.mark(message.recipients[0]) in message.values(LOOP_HEADER)

    def _body(self, message: Message, data: bytes) -> None:
        # Here and not above: only who seals has this.
        from posthouse.arc import chain
        from posthouse.arc.canonical import BodyHash

        if message.hash is None:
            message.hash, message.chain = BodyHash(is_relaxed=True), chain.read(message.fields)
        for one in (message.hash, message.chain and message.chain.hash):
            if one and data:
                one.update(data)

    async def _end(self, message: Message) -> bytes:
        from posthouse.arc import seal

        (recipient,) = message.recipients
        try:
            if message.size > MOST_HEADER:
                raise seal.NotSealed(f"its header is larger than {MOST_HEADER} octets")
            added = await self._sealed(message)
        except (KeyNotMade, OSError) as error:
            log.error("cannot seal a message: %s", error)
            return wire.reply(TRY_LATER)
        except (seal.NotSealed, Unknown) as error:
            log.warning("forwarded to %s without a seal: %s", recipient, error)
            return wire.go_on()
        except Exception as error:  # somebody else's header must not hold up mail
            log.error("forwarded to %s without a seal: %s: %s", recipient, type(error).__name__, error)
            return wire.go_on()
        return b"".join(wire.insert_raw(name, value) for name, value in added) + wire.go_on()

    async def _sealed(self, message: Message) -> list[Field]:
        from posthouse.arc import seal

        if message.trouble is not None:
            raise message.trouble
        self._body(message, b"")  # which may never have come
        assert message.hash is not None
        assert message.chain is not None
        seal.may_follow(message.chain)
        status = await self._status(message, message.chain)
        people = self.service.forwarder.directory
        results = next(_ours(message.values("Authentication-Results"), people.hostname), "none")
        sealer = _sealer(self.service.keys, people.hostname, people.main_domain)
        digest, now = message.hash.digest(), int(self.service.now())
        return seal.sealed(sealer, message.fields, digest, message.chain, status, results, now)

    async def _status(self, message: Message, chain: Chain) -> Status:
        from posthouse.arc.chain import Broken, verify

        if not chain.number:
            return "none"
        try:
            if chain.hash is None:
                raise Broken(chain.broken)
            keys = await self._keys(chain)
            verify(chain, message.fields, chain.hash.digest(), keys)
        except Broken as error:
            log.info("to %s: the chain that came is broken: %s", message.recipients[0], error)
            return "fail"
        return "pass"

    async def _keys(self, chain: Chain) -> Mapping[Name, Key | str]:
        """The keys of a chain. Unknown where one can't be asked for."""
        from posthouse.arc.record import parse

        async def one(name: Name) -> tuple[Name, Key | str]:
            host = a_labels(f"{name[0]}._domainkey.{name[1]}")  # RFC 8616 section 5
            if len(host) > 250 or not _NAME.fullmatch(host):
                return name, "no key in DNS"
            return name, parse(await self.service.texts(f"{host}.", SECONDS))

        try:
            async with asyncio.timeout(SECONDS):
                return dict(await asyncio.gather(*(one(name) for name in sorted(chain.keys))))
        except TimeoutError:
            raise Unknown("DNS did not answer in time") from None


def _ours(values: Iterable[str], hostname: str) -> Iterator[str]:
    """Of results those of our own filter: what it found, without our name before it."""
    for value in values:
        name, _, found = value.partition(";")
        if name.strip().lower() == hostname:
            yield found


def _sealer(keys: Keys, hostname: str, domain: str) -> Sealer:
    """Whose key signs now. Raises KeyNotMade, OSError."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from posthouse.arc.seal import Sealer

    selector, pem = keys.signing(domain)
    try:
        private = load_pem_private_key(pem, None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ValueError
    except (ValueError, TypeError):
        raise KeyNotMade(f"{domain}: the key at {selector} is no RSA key") from None
    way = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    return Sealer(hostname, domain, selector, lambda digest: private.sign(digest, *way))
